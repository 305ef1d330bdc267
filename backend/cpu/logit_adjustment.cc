#include "backend/cpu/logit_adjustment.h"

#include <algorithm>
#include <unordered_map>

namespace exeunt {
namespace {

// The logit of a token that must not be drawn. It is finite, so that a chunk of the vocabulary may consist of
// such tokens.
constexpr float kBanned = -1e30F;
// The logit of a token that is not allowed. It is so low that banned tokens are drawn first.
constexpr float kNotAllowed = -1e35F;

// Counts each token of the prompt or the answer in the answer.
std::unordered_map<int32_t, int> CountInAnswer(const TokenHistory& history, bool with_prompt) {
  std::unordered_map<int32_t, int> counts;
  if (with_prompt) {
    for (const int32_t token : history.prompt) counts.try_emplace(token, 0);
  }
  for (const int32_t token : history.answer) ++counts[token];
  return counts;
}

void Penalise(const SamplingParams& params, const TokenHistory& history, int n, float* logits) {
  const bool repetition = params.repetition_penalty != 1.0F;
  if (!repetition && params.frequency_penalty == 0.0F && params.presence_penalty == 0.0F) return;
  for (const auto& [token, count] : CountInAnswer(history, repetition)) {
    if (token < 0 || token >= n) continue;
    float& x = logits[token];
    if (repetition) x = x > 0.0F ? x / params.repetition_penalty : x * params.repetition_penalty;
    if (count > 0) x = x - params.frequency_penalty * static_cast<float>(count) - params.presence_penalty;
  }
}

void BanBadWords(const SamplingParams& params, const TokenHistory& history, int n, float* logits) {
  for (const std::vector<int32_t>& word : params.bad_words) {
    const size_t before = word.size() - 1;
    if (before > history.answer.size() || word.back() < 0 || word.back() >= n) continue;
    const auto end = history.answer.last(before);
    if (std::equal(end.begin(), end.end(), word.begin())) logits[word.back()] = kBanned;
  }
}

void KeepAllowed(const std::vector<int32_t>& allowed, int n, float* logits) {
  if (allowed.empty()) return;
  int begin = 0;  // start of the tokens that are not allowed, up to the next one that is
  for (const int32_t token : allowed) {
    if (token < begin || token >= n) continue;
    std::fill(logits + begin, logits + token, kNotAllowed);
    begin = token + 1;
  }
  std::fill(logits + begin, logits + n, kNotAllowed);
}

}  // namespace

void AdjustLogits(const SamplingParams& params, const TokenHistory& history, int n, float* logits) {
  for (const LogitBias& bias : params.logit_bias) {
    if (bias.token >= 0 && bias.token < n) logits[bias.token] += bias.bias;
  }
  Penalise(params, history, n, logits);
  if (history.answer.size() < static_cast<size_t>(params.min_tokens)) {
    for (const int32_t token : history.end_tokens) {
      if (token >= 0 && token < n) logits[token] = kBanned;
    }
  }
  BanBadWords(params, history, n, logits);
  KeepAllowed(params.allowed_tokens, n, logits);
}

}  // namespace exeunt
