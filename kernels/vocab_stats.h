// Statistics of a row of logits. They determine its softmax. Every backend computes the same statistics.
#pragma once

#include <cstdint>

namespace exeunt {

// Length of the chunks of a reduction over the vocabulary, in logits. Chunks are merged in ascending order.
inline constexpr int kVocabChunk = 512;

// The softmax statistics of one chunk or, after merging, of one row.
struct VocabStats {
  int32_t argmax = -1;   // token with the largest logit; the lowest such token on a tie
  float top1 = 0.0F;     // logit of argmax
  float top2 = 0.0F;     // second largest logit; -inf if there is only one
  float sum_exp = 0.0F;  // sum of exp(logit - top1)
};

}  // namespace exeunt
