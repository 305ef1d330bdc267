// Linear computes y = W x + b. W may be several stored tensors that are stacked by rows (Q; K and V; gate and
// up). Tensors of one type are packed into one matrix. Immutable after loading. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/packed_matrix.h"
#include "model/model_source.h"

namespace exeunt {

class Linear {
 public:
  struct Part {
    PackedMatrix weight;
    int first_row = 0;
  };

  // Stacks `names` (without ".weight") in order, with the deltas of the source's adapter. A ".bias" beside
  // any of them is also loaded. Releases the source's pages. `dequantise` packs every matrix as F32, whatever
  // its type.
  static Linear Load(const ModelSource& source, const std::vector<std::string>& names, bool dequantise,
                     PackedArena* arena);
  // Loads gate and up as one matrix for Ops::gate_up, with alternating groups of columns. This needs one
  // type, no bias and whole groups. Otherwise they are stacked as Load does.
  static Linear LoadGateUp(const ModelSource& source, const std::string& gate, const std::string& up,
                           bool dequantise, PackedArena* arena);
  // Loads some rows of one stored matrix, with the deltas of the source's adapter, packed as `type`.
  static Linear LoadRows(const ModelSource& source, const std::string& name, const std::vector<int32_t>& rows,
                         DType type);
  // Packs F32 values as `type`. bias may be empty.
  static Linear FromFloats(int n, int k, const float* weight, std::vector<float> bias,
                           DType type = DType::kF32);

  int n() const { return n_; }
  int k() const { return k_; }
  const std::vector<Part>& parts() const { return parts_; }
  const std::vector<float>& bias() const { return bias_; }  // empty or [n]
  bool gate_up_in_turns() const { return gate_up_in_turns_; }
  bool quantised() const;  // whether any part reads quantised inputs
  bool floating() const;   // whether any part reads F32 inputs
  size_t bytes() const;

 private:
  int n_ = 0;
  int k_ = 0;
  std::vector<Part> parts_;
  std::vector<float> bias_;
  bool gate_up_in_turns_ = false;
};

}  // namespace exeunt
