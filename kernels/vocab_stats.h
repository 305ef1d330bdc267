// Statistics of a row of logits, from which its softmax follows. Every backend computes the same ones.
#pragma once

#include <cstdint>

namespace exeunt {

// Vocabulary reductions run over chunks of this many logits, merged in ascending order.
inline constexpr int kVocabChunk = 512;

// One chunk's (or, merged, one row's) softmax statistics.
struct VocabStats {
  int32_t argmax = -1;   // the lowest id on a tie
  float top1 = 0.0F;     // logit of argmax
  float top2 = 0.0F;     // second largest logit; -inf where there is one only
  float sum_exp = 0.0F;  // sum of exp(logit - top1)
};

}  // namespace exeunt
