// Draws a token from a row of logits. Pure: a function of (logits, params, position), see base/rng.h.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "kernels/cpu/ops.h"
#include "request/sampling.h"

namespace exeunt {

struct SampledToken {
  int32_t token = -1;
  float logprob = 0.0F;                        // of the model's own distribution (temperature 1, nothing cut)
  std::vector<std::pair<int32_t, float>> top;  // params.n_logprobs largest, with their log-probabilities
};

// A weight exp((logit - largest) / temperature), in [0, 1], as the nearest whole number of 2^-32. Weights are added up in
// this form, so that sums, and with them draws, are the same in any order and on any device. A NaN counts as 0.
uint64_t FixedWeight(float weight);

// Of a token with this logit, in the model's own distribution.
float Logprob(float logit, const VocabStats& stats);
// The `count` largest of a row, likeliest first, with their log-probabilities.
std::vector<std::pair<int32_t, float>> TopLogprobs(const float* logits, int n, int count,
                                                   const VocabStats& stats);

// logits: [n]; stats: of the whole row. `position` is that of the token that is drawn. The logits are
// adjusted first (backend/cpu/logit_adjustment.h), then cut: temperature, top_k, top_p, min_p; of two equals
// the lower token is the likelier. A row whose largest logit is not finite gives stats.argmax. Thread-safe; a
// thread keeps its buffers from row to row.
SampledToken Sample(const cpu::Ops& ops, const float* logits, int n, const VocabStats& stats,
                    const SamplingParams& params, uint32_t position, const TokenHistory& history = {});

}  // namespace exeunt
