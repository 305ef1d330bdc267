#include "model/linear.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

bool IsQuantised(const Linear::Part& part) { return Info(part.weight.dtype()).block_elements > 1; }

// Packs all rows of `t` as rows [first, ...), one at a time through F32 where the types differ.
void Pack(const TensorView& t, int first, cpu::PackedMatrix* matrix) {
  const int rows = static_cast<int>(t.shape[0]);
  if (t.dtype == matrix->dtype()) return matrix->PackRows(first, rows, t.bytes.data());
  const auto k = static_cast<size_t>(matrix->k());
  std::vector<float> row(k);
  for (int r = 0; r < rows; ++r) {
    DequantizeRow(t.dtype, t.bytes.data() + static_cast<size_t>(r) * RowBytes(t.dtype, k), row.data(), k);
    matrix->PackRows(first + r, 1, reinterpret_cast<const std::byte*>(row.data()));
  }
}

}  // namespace

Linear Linear::Load(const ModelSource& source, const std::vector<std::string>& names, bool dequantise) {
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
    Part part{cpu::PackedMatrix(packed_type(i), rows, linear.k_), row};
    for (int first = 0; i < end; ++i) {
      Pack(*tensors[i], first, &part.weight);
      source.ReleasePages(*tensors[i]);
      first += static_cast<int>(tensors[i]->shape[0]);
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

Linear Linear::FromFloats(int n, int k, const float* weight, std::vector<float> bias) {
  Linear linear;
  linear.n_ = n;
  linear.k_ = k;
  linear.bias_ = std::move(bias);
  Part part{cpu::PackedMatrix(DType::kF32, n, k), 0};
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
