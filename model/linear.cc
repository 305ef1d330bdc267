#include "model/linear.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

bool IsQuantised(const Linear::Part& part) { return Info(part.weight.dtype()).block_elements > 1; }

// Packs rows [from, from + count) of `t` as rows [first, ...), one at a time through F32 where the types
// differ.
void Pack(const TensorView& t, int from, int count, int first, cpu::PackedMatrix* matrix) {
  const auto k = static_cast<size_t>(matrix->k());
  const std::byte* src = t.bytes.data() + static_cast<size_t>(from) * RowBytes(t.dtype, k);
  if (t.dtype == matrix->dtype()) return matrix->PackRows(first, count, src);
  std::vector<float> row(k);
  for (int r = 0; r < count; ++r, src += RowBytes(t.dtype, k)) {
    DequantizeRow(t.dtype, src, row.data(), k);
    matrix->PackRows(first + r, 1, reinterpret_cast<const std::byte*>(row.data()));
  }
}

}  // namespace

Linear Linear::Load(const ModelSource& source, const std::vector<std::string>& names, bool dequantise,
                    cpu::PackedArena* arena) {
  std::vector<const TensorView*> tensors;
  bool has_bias = false;
  Linear linear;
  for (const auto& name : names) {
    const TensorView* t = source.Find(name + ".weight");
    CHECK_MSG(t != nullptr, "tensor {}.weight passed validation and is not there", name);
    tensors.push_back(t);
    linear.n_ += static_cast<int>(t->shape[0]);
    linear.k_ = static_cast<int>(t->shape[1]);
    has_bias |= source.Find(name + ".bias") != nullptr;
  }
  const auto packed_type = [&](size_t i) { return dequantise ? DType::kF32 : tensors[i]->dtype; };
  int row = 0;
  for (size_t i = 0; i < tensors.size();) {  // runs of one type
    size_t end = i;
    int rows = 0;
    for (; end < tensors.size() && packed_type(end) == packed_type(i); ++end) {
      rows += static_cast<int>(tensors[end]->shape[0]);
    }
    Part part{cpu::PackedMatrix(packed_type(i), rows, linear.k_, arena), row};
    for (int first = 0; i < end; ++i) {
      const int count = static_cast<int>(tensors[i]->shape[0]);
      Pack(*tensors[i], 0, count, first, &part.weight);
      source.ReleasePages(*tensors[i]);
      first += count;
    }
    linear.parts_.push_back(std::move(part));
    row += rows;
  }
  if (has_bias) {
    for (size_t i = 0; i < names.size(); ++i) {
      const auto n = static_cast<size_t>(tensors[i]->shape[0]);
      const TensorView* bias = source.Find(names[i] + ".bias");
      const size_t at = linear.bias_.size();
      linear.bias_.resize(at + n, 0.0F);
      if (bias != nullptr) DequantizeRow(bias->dtype, bias->bytes.data(), linear.bias_.data() + at, n);
    }
  }
  return linear;
}

Linear Linear::LoadGateUp(const ModelSource& source, const std::string& gate, const std::string& up,
                          bool dequantise, cpu::PackedArena* arena) {
  const TensorView* tensors[] = {source.Find(gate + ".weight"), source.Find(up + ".weight")};
  const bool biased = source.Find(gate + ".bias") != nullptr || source.Find(up + ".bias") != nullptr;
  const int rows = static_cast<int>(tensors[0]->shape[0]);
  if (biased || (!dequantise && tensors[0]->dtype != tensors[1]->dtype) || rows % cpu::kGroupColumns != 0) {
    return Load(source, {gate, up}, dequantise, arena);
  }
  Linear linear;
  linear.n_ = 2 * rows;
  linear.k_ = static_cast<int>(tensors[0]->shape[1]);
  linear.gate_up_in_turns_ = true;
  Part part{cpu::PackedMatrix(dequantise ? DType::kF32 : tensors[0]->dtype, linear.n_, linear.k_, arena), 0};
  for (int first = 0; first < rows; first += cpu::kGroupColumns) {
    for (int i = 0; i < 2; ++i) {
      Pack(*tensors[i], first, cpu::kGroupColumns, 2 * first + i * cpu::kGroupColumns, &part.weight);
    }
  }
  for (const TensorView* t : tensors) source.ReleasePages(*t);
  linear.parts_.push_back(std::move(part));
  return linear;
}

Linear Linear::FromFloats(int n, int k, const float* weight, std::vector<float> bias) {
  Linear linear;
  linear.n_ = n;
  linear.k_ = k;
  linear.bias_ = std::move(bias);
  cpu::PackedArena arena;
  Part part{cpu::PackedMatrix(DType::kF32, n, k, &arena), 0};
  part.weight.PackRows(0, n, reinterpret_cast<const std::byte*>(weight));
  linear.parts_.push_back(std::move(part));
  return linear;
}

bool Linear::quantised() const { return std::any_of(parts_.begin(), parts_.end(), IsQuantised); }
bool Linear::floating() const { return !std::all_of(parts_.begin(), parts_.end(), IsQuantised); }

size_t Linear::bytes() const {
  size_t sum = bias_.size() * sizeof(float);
  for (const Part& part : parts_) sum += part.weight.bytes();
  return sum;
}

}  // namespace exeunt
