// SamplingParams says how a token is drawn from logits. The draw is a pure function of the logits, these
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
  float min_p = 0.0F;        // smallest kept probability, as a fraction of the largest one
  uint64_t seed = 0;
  uint32_t choice = 0;  // number of the answer among the n answers of a call
  int n_logprobs = -1;  // alternatives reported beside the token's log-probability; -1: no log-probabilities
  // The members below change the logits before a token is drawn (backend/cpu/logit_adjustment.h).
  float frequency_penalty = 0.0F;
  float presence_penalty = 0.0F;
  float repetition_penalty = 1.0F;  // positive
  int min_tokens = 0;               // tokens of the answer before the first end token may be drawn
  std::vector<LogitBias> logit_bias;
  std::vector<int32_t> allowed_tokens;  // the only tokens that may be drawn, ascending and unique; empty: all
  std::vector<std::vector<int32_t>> bad_words;  // token sequences that the answer must not contain

  bool AdjustsLogits() const {
    return frequency_penalty != 0.0F || presence_penalty != 0.0F || repetition_penalty != 1.0F ||
           min_tokens > 0 || !logit_bias.empty() || !allowed_tokens.empty() || !bad_words.empty();
  }
  friend bool operator==(const SamplingParams&, const SamplingParams&) = default;
};

// The tokens of a sequence before the token that is drawn. They must outlive the draw.
struct TokenHistory {
  std::span<const int32_t> prompt;
  std::span<const int32_t> answer;
  std::span<const int32_t> end_tokens;
};

inline constexpr int kMaxLogprobs = 20;
inline constexpr int kMaxLogitBiases = 1024;
inline constexpr int kMaxAllowedTokens = 4096;
inline constexpr int kMaxBadWordTokens = 4096;  // total over all bad words

}  // namespace exeunt
