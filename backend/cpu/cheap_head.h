// CheapHead: says what an exit's token is, and how sure that is, at less than the cost of the vocabulary
// head. There is one for each measure that gives a token: CpuPreview and CpuCandidates. Results are
// bit-identical for any batch, thread count and instruction set. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt {

struct ExitToken {
  int32_t token = -1;   // the likeliest
  float margin = 0.0F;  // top1 - top2 of the softmax
};

// Whose row it is. The prompt outlives the call.
struct CheapHeadRow {
  uint64_t sequence = 0;
  const std::vector<int32_t>* prompt = nullptr;
};

class CheapHead {
 public:
  virtual ~CheapHead() = default;
  // Whether what it needs was fitted for the exit after `layer`.
  virtual bool Serves(int layer) const = 0;
  // x: [rows.size(), d_model], as the shared norm takes it, at the exit after `layer`, which it serves; out:
  // [rows.size()].
  virtual void Run(int layer, const float* x, std::span<const CheapHeadRow> rows, ExitToken* out) = 0;
  // Nothing that was kept for the sequence is needed any more.
  virtual void Forget(uint64_t sequence) = 0;
};

}  // namespace exeunt
