#include "model/linear.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

bool IsQuantised(const Linear::Part& part) { return Info(part.weight.dtype()).block_elements > 1; }

}  // namespace

Linear Linear::Load(const ModelSource& source, const std::vector<std::string>& names) {
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
  int row = 0;
  for (size_t i = 0; i < tensors.size();) {  // runs of one type
    size_t end = i;
    int rows = 0;
    for (; end < tensors.size() && tensors[end]->dtype == tensors[i]->dtype; ++end) {
      rows += static_cast<int>(tensors[end]->shape[0]);
    }
    Part part{cpu::PackedMatrix(tensors[i]->dtype, rows, linear.k_), row};
    for (int first = 0; i < end; ++i) {
      const int count = static_cast<int>(tensors[i]->shape[0]);
      part.weight.PackRows(first, count, tensors[i]->bytes.data());
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
