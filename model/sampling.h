// How a token is drawn from logits. The draw is a pure function of (logits, params, choice, position): see
// base/rng.h.
#pragma once

#include <cstdint>

namespace exeunt {

struct SamplingParams {
  float temperature = 1.0F;  // 0: greedy
  float top_p = 1.0F;        // nucleus, in (0, 1]
  int top_k = 0;             // 0: all
  float min_p = 0.0F;        // drops tokens below min_p times the largest probability
  uint64_t seed = 0;
  uint32_t choice = 0;  // which of a request's n answers
  int n_logprobs = -1;  // alternatives reported beside the token's own log-probability; -1: report none
};

inline constexpr int kMaxLogprobs = 20;

}  // namespace exeunt
