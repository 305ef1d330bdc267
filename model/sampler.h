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

// Of a token with this logit, in the model's own distribution.
float Logprob(float logit, const cpu::VocabStats& stats);
// The `count` largest of a row, likeliest first, with their log-probabilities.
std::vector<std::pair<int32_t, float>> TopLogprobs(const float* logits, int n, int count,
                                                   const cpu::VocabStats& stats);

// logits: [n]; stats: of the whole row. `position` is that of the token that is drawn. The logits are
// adjusted first (model/logit_adjustment.h), then cut: temperature, top_k, top_p, min_p; of two equals the
// lower token is the likelier. A row whose largest logit is not finite gives stats.argmax. Thread-safe; a
// thread keeps its buffers from row to row.
SampledToken Sample(const cpu::Ops& ops, const float* logits, int n, const cpu::VocabStats& stats,
                    const SamplingParams& params, uint32_t position, const TokenHistory& history = {});

}  // namespace exeunt
