#include "backend/cpu/linear.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "kernels/dequantize.h"
#include "kernels/quantize.h"

namespace exeunt {
namespace {

bool ReadsQuantised(const Linear::Part& part) { return IsQuantised(part.weight.dtype()); }

// One stored matrix that is being loaded into a Linear.
struct Stored {
  const TensorView* tensor = nullptr;
  std::optional<LoraDelta> delta;
  DType packed = DType::kF32;
  int rows() const { return static_cast<int>(tensor->shape[0]); }
};

Stored FindStored(const ModelSource& source, const std::string& name, bool dequantise) {
  Stored stored{.tensor = source.Find(name + ".weight")};
  CHECK_MSG(stored.tensor != nullptr, "tensor {}.weight passed validation and is not there", name);
  const LoraAdapter* adapter = source.adapter();
  if (adapter != nullptr) stored.delta = adapter->Load(stored.tensor->name);
  stored.packed = stored.tensor->dtype;
  if (stored.delta) stored.packed = adapter->MergedType(stored.tensor->dtype);
  if (dequantise) stored.packed = DType::kF32;
  return stored;
}

// Packs rows [from, from + count) as rows [first, ...) of the matrix. Rows that change go through F32, one at
// a time.
void Pack(const Stored& stored, int from, int count, int first, PackedMatrix* matrix) {
  const TensorView& t = *stored.tensor;
  const auto k = static_cast<size_t>(matrix->k());
  const std::byte* src = t.bytes.data() + static_cast<size_t>(from) * RowBytes(t.dtype, k);
  if (t.dtype == matrix->dtype() && !stored.delta) return matrix->PackRows(first, count, src);
  std::vector<float> row(k);
  for (int r = 0; r < count; ++r, src += RowBytes(t.dtype, k)) {
    DequantizeRow(t.dtype, src, row.data(), k);
    if (stored.delta) stored.delta->AddRow(static_cast<size_t>(from + r), row.data());
    matrix->PackRows(first + r, 1, QuantizeRow(matrix->dtype(), row).data());
  }
}

}  // namespace

Linear Linear::Load(const ModelSource& source, const std::vector<std::string>& names, bool dequantise,
                    PackedArena* arena) {
  std::vector<Stored> tensors;
  bool has_bias = false;
  Linear linear;
  for (const auto& name : names) {
    tensors.push_back(FindStored(source, name, dequantise));
    linear.n_ += tensors.back().rows();
    linear.k_ = static_cast<int>(tensors.back().tensor->shape[1]);
    has_bias |= source.Find(name + ".bias") != nullptr;
  }
  int row = 0;
  for (size_t i = 0; i < tensors.size();) {  // runs of one type
    size_t end = i;
    int rows = 0;
    for (; end < tensors.size() && tensors[end].packed == tensors[i].packed; ++end)
      rows += tensors[end].rows();
    Part part{PackedMatrix(tensors[i].packed, rows, linear.k_, arena), row};
    for (int first = 0; i < end; ++i) {
      Pack(tensors[i], 0, tensors[i].rows(), first, &part.weight);
      source.ReleasePages(*tensors[i].tensor);
      first += tensors[i].rows();
    }
    linear.parts_.push_back(std::move(part));
    row += rows;
  }
  if (has_bias) {
    for (size_t i = 0; i < names.size(); ++i) {
      const auto n = static_cast<size_t>(tensors[i].rows());
      const TensorView* bias = source.Find(names[i] + ".bias");
      const size_t at = linear.bias_.size();
      linear.bias_.resize(at + n, 0.0F);
      if (bias != nullptr) DequantizeRow(bias->dtype, bias->bytes.data(), linear.bias_.data() + at, n);
    }
  }
  return linear;
}

Linear Linear::LoadGateUp(const ModelSource& source, const std::string& gate, const std::string& up,
                          bool dequantise, PackedArena* arena) {
  const Stored tensors[] = {FindStored(source, gate, dequantise), FindStored(source, up, dequantise)};
  const bool biased = source.Find(gate + ".bias") != nullptr || source.Find(up + ".bias") != nullptr;
  const int rows = tensors[0].rows();
  if (biased || tensors[0].packed != tensors[1].packed || rows % kGroupColumns != 0) {
    return Load(source, {gate, up}, dequantise, arena);
  }
  Linear linear;
  linear.n_ = 2 * rows;
  linear.k_ = static_cast<int>(tensors[0].tensor->shape[1]);
  linear.gate_up_in_turns_ = true;
  Part part{PackedMatrix(tensors[0].packed, linear.n_, linear.k_, arena), 0};
  for (int first = 0; first < rows; first += kGroupColumns) {
    for (int i = 0; i < 2; ++i) {
      Pack(tensors[i], first, kGroupColumns, 2 * first + i * kGroupColumns, &part.weight);
    }
  }
  for (const Stored& stored : tensors) source.ReleasePages(*stored.tensor);
  linear.parts_.push_back(std::move(part));
  return linear;
}

Linear Linear::LoadRows(const ModelSource& source, const std::string& name, const std::vector<int32_t>& rows,
                        DType type) {
  const Stored stored = FindStored(source, name, false);
  Linear linear;
  linear.n_ = static_cast<int>(rows.size());
  linear.k_ = static_cast<int>(stored.tensor->shape[1]);
  PackedArena arena;
  Part part{PackedMatrix(type, linear.n_, linear.k_, &arena), 0};
  for (int r = 0; r < linear.n_; ++r) Pack(stored, rows[static_cast<size_t>(r)], 1, r, &part.weight);
  linear.parts_.push_back(std::move(part));
  return linear;
}

Linear Linear::FromFloats(int n, int k, const float* weight, std::vector<float> bias, DType type) {
  Linear linear;
  linear.n_ = n;
  linear.k_ = k;
  linear.bias_ = std::move(bias);
  PackedArena arena;
  Part part{PackedMatrix(type, n, k, &arena), 0};
  const auto columns = static_cast<size_t>(k);
  for (int r = 0; r < n; ++r) {
    const std::span<const float> row(weight + static_cast<size_t>(r) * columns, columns);
    part.weight.PackRows(r, 1, QuantizeRow(type, row).data());
  }
  linear.parts_.push_back(std::move(part));
  return linear;
}

bool Linear::quantised() const { return std::any_of(parts_.begin(), parts_.end(), ReadsQuantised); }
bool Linear::floating() const { return !std::all_of(parts_.begin(), parts_.end(), ReadsQuantised); }

size_t Linear::bytes() const {
  size_t sum = bias_.size() * sizeof(float);
  for (const Part& part : parts_) sum += part.weight.bytes();
  return sum;
}

}  // namespace exeunt
