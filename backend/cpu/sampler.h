// Draws a token from a row of logits. It is a pure function of (logits, params, position), see base/rng.h.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/cpu/ops.h"
#include "request/sampling.h"

namespace exeunt {

struct SampledToken {
  int32_t token = -1;
  float logprob = 0.0F;  // in the model's own distribution (temperature 1, no cut)
  // The params.n_logprobs likeliest tokens with log-probabilities.
  std::vector<std::pair<int32_t, float>> top;
};

// Returns a weight exp((logit - largest) / temperature), in [0, 1], as the nearest whole number of 2^-32.
// Weights are added in this form, so that sums and draws are the same in any order and on any device. A NaN
// counts as 0.
uint64_t FixedWeight(float weight);

// Returns the log-probability of a token with this logit in the model's own distribution.
float Logprob(float logit, const VocabStats& stats);
// Returns the `count` likeliest tokens of a row with their log-probabilities, likeliest first.
std::vector<std::pair<int32_t, float>> TopLogprobs(const float* logits, int n, int count,
                                                   const VocabStats& stats);

// Draws the token for `position`. logits: [n]. stats: for the whole row. The logits are first adjusted
// (backend/cpu/logit_adjustment.h) and then cut by temperature, top_k, top_p and min_p. Of two equal logits
// the lower token counts as likelier. A row whose largest logit is not finite gives stats.argmax.
// Thread-safe. A thread keeps its buffers from row to row.
SampledToken Sample(const cpu::Ops& ops, const float* logits, int n, const VocabStats& stats,
                    const SamplingParams& params, uint32_t position, const TokenHistory& history = {});

}  // namespace exeunt
