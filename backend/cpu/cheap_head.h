// A CheapHead gives an exit's token and its confidence at less than the cost of the vocabulary head. There is
// one for each measure that gives a token: CpuPreview and CpuCandidates. Results are bit-identical for any
// batch, thread count and instruction set. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt {

struct ExitToken {
  int32_t token = -1;   // the likeliest token
  float margin = 0.0F;  // top1 - top2 of the softmax
};

// The sequence of a row. The prompt must outlive the call.
struct CheapHeadRow {
  uint64_t sequence = 0;
  const std::vector<int32_t>* prompt = nullptr;
};

class CheapHead {
 public:
  virtual ~CheapHead() = default;
  // Returns whether the data that it needs was fitted for the exit after `layer`.
  virtual bool Serves(int layer) const = 0;
  // Computes the tokens of rows at the exit after `layer`, which it must serve. x: [rows.size(), d_model],
  // the input of the shared norm. out: [rows.size()].
  virtual void Run(int layer, const float* x, std::span<const CheapHeadRow> rows, ExitToken* out) = 0;
  // Frees what was kept for the sequence. The caller needs it no more.
  virtual void Forget(uint64_t sequence) = 0;
};

}  // namespace exeunt
