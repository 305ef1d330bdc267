// PreviewHead is the vocabulary head seen through a few directions. With it an exit can look at every token
// for a fraction of the head's cost (fit/low_rank_head.h fits it). logits ~ up (down z), where z is the state
// after the head's norm. The groups of 16 tokens with the highest estimates are then computed with the head
// itself. The token that is drawn from them has the head's own logit. Immutable. Thread-safe.
#pragma once

#include <string>

#include "backend/cpu/linear.h"
#include "base/result.h"
#include "kernels/cpu/ops.h"
#include "model/exit_heads_info.h"
#include "model/safetensors.h"

namespace exeunt {

struct PreviewHead {
  Linear down;     // [rank, d_model], F32
  Linear up;       // [vocab, rank], Q8_0: the head times the basis
  int groups = 0;  // number of groups of kPreviewGroupTokens that are computed exactly
};

// Multiplies the head by the basis. down: [rank, d_model]; basis: [d_model, rank].
PreviewHead MakePreviewHead(const PreviewInfo& info, const float* down, const float* basis,
                            const Linear& head);
// Reads preview.down and preview.basis.
Result<PreviewHead> LoadPreviewHead(const SafetensorsFile& file, const PreviewInfo& info, const Linear& head);

}  // namespace exeunt
