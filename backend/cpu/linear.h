// Linear: y = W x + b, where W may be several stored tensors stacked by rows (Q; K and V; gate and up).
// Tensors of one type are packed into one matrix. Immutable after loading; thread-safe.
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

  // Stacks `names` (without ".weight") in order, with what the source's adapter adds; a ".bias" beside any of
  // them is taken too. Releases the source's pages. `dequantise` packs every matrix as F32, whatever its
  // type.
  static Linear Load(const ModelSource& source, const std::vector<std::string>& names, bool dequantise,
                     PackedArena* arena);
  // Gate and up as one matrix for Ops::gate_up, their groups of columns taking turns, where they are of one
  // type, without bias and of whole groups; else stacked as Load does.
  static Linear LoadGateUp(const ModelSource& source, const std::string& gate, const std::string& up,
                           bool dequantise, PackedArena* arena);
  // Some rows of one stored matrix, with what the source's adapter adds, packed as `type`.
  static Linear LoadRows(const ModelSource& source, const std::string& name, const std::vector<int32_t>& rows,
                         DType type);
  // From F32 values, kept as `type`; bias may be empty.
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
