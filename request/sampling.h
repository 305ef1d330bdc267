// SamplingParams: how a token is drawn from logits. The draw is a pure function of the logits, these
// parameters, the position and the tokens that the sequence has so far (base/rng.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt {

struct LogitBias {
  int32_t token = 0;
  float bias = 0.0F;  // added to the token's logit

  friend bool operator==(const LogitBias&, const LogitBias&) = default;
};

struct SamplingParams {
  float temperature = 1.0F;  // 0: greedy
  float top_p = 1.0F;        // nucleus, in (0, 1]
  int top_k = 0;             // 0: all
  float min_p = 0.0F;        // drops tokens below min_p times the largest probability
  uint64_t seed = 0;
  uint32_t choice = 0;  // which of a request's n answers
  int n_logprobs = -1;  // alternatives reported beside the token's own log-probability; -1: report none
  // What follows changes the logits before a token is drawn (backend/cpu/logit_adjustment.h).
  float frequency_penalty = 0.0F;
  float presence_penalty = 0.0F;
  float repetition_penalty = 1.0F;  // positive
  int min_tokens = 0;               // no end token before the answer has so many
  std::vector<LogitBias> logit_bias;
  std::vector<int32_t> allowed_tokens;          // ascending, each once: no other is drawn; empty: all may be
  std::vector<std::vector<int32_t>> bad_words;  // sequences of tokens that the answer must not have

  bool AdjustsLogits() const {
    return frequency_penalty != 0.0F || presence_penalty != 0.0F || repetition_penalty != 1.0F ||
           min_tokens > 0 || !logit_bias.empty() || !allowed_tokens.empty() || !bad_words.empty();
  }
  friend bool operator==(const SamplingParams&, const SamplingParams&) = default;
};

// A sequence before the token that is drawn. All of it outlives the draw.
struct TokenHistory {
  std::span<const int32_t> prompt;
  std::span<const int32_t> answer;
  std::span<const int32_t> end_tokens;
};

inline constexpr int kMaxLogprobs = 20;
inline constexpr int kMaxLogitBiases = 1024;
inline constexpr int kMaxAllowedTokens = 4096;
inline constexpr int kMaxBadWordTokens = 4096;  // of all bad words together

}  // namespace exeunt
