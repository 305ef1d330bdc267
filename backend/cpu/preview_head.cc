#include "backend/cpu/preview_head.h"

#include <algorithm>

#include "base/error.h"

namespace exeunt {

static_assert(kPreviewGroupTokens == kGroupColumns, "a group is what the kernels compute at once");
namespace {

constexpr int kBlockRows = 256;

size_t Size(int n) { return static_cast<size_t>(n); }

// Returns the product of the head and the basis, [vocab, rank]. basis_rows: [rank, d_model].
std::vector<float> Multiply(const Linear& head, const std::vector<float>& basis_rows, int rank) {
  const cpu::Ops& ops = cpu::OpsFor(cpu::DefaultIsa());
  const PackedMatrix& weight = head.parts()[0].weight;
  const Linear basis = Linear::FromFloats(rank, head.k(), basis_rows.data(), {});
  const PackedMatrix& packed = basis.parts()[0].weight;
  std::vector<float> up(Size(head.n()) * Size(rank));
  std::vector<float> rows(Size(kBlockRows) * Size(head.k()));
  for (int first = 0; first < head.n(); first += kBlockRows) {
    const int count = std::min(kBlockRows, head.n() - first);
    for (int r = 0; r < count; ++r) weight.UnpackRow(first + r, &rows[Size(r) * Size(head.k())]);
    ops.matmul(packed, {count, count, rows.data(), nullptr},
               {&up[Size(first) * Size(rank)], Size(rank), false}, 0, packed.groups());
  }
  return up;
}

}  // namespace

PreviewHead MakePreviewHead(const PreviewInfo& info, const float* down, const float* basis,
                            const Linear& head) {
  const size_t rank = Size(info.rank);
  const size_t d = Size(head.k());
  std::vector<float> basis_rows(rank * d);
  for (size_t r = 0; r < rank; ++r) {
    for (size_t c = 0; c < d; ++c) basis_rows[r * d + c] = basis[c * rank + r];
  }
  const std::vector<float> up = Multiply(head, basis_rows, info.rank);
  return PreviewHead{Linear::FromFloats(info.rank, head.k(), down, {}),
                     Linear::FromFloats(head.n(), info.rank, up.data(), {}, DType::kQ8_0),
                     std::min(info.groups, (head.n() + kPreviewGroupTokens - 1) / kPreviewGroupTokens)};
}

Result<PreviewHead> LoadPreviewHead(const SafetensorsFile& file, const PreviewInfo& info,
                                    const Linear& head) {
  ASSIGN_OR_RETURN(const auto down, file.ReadFloats("preview.down", {info.rank, head.k()}));
  ASSIGN_OR_RETURN(const auto basis, file.ReadFloats("preview.basis", {head.k(), info.rank}));
  return MakePreviewHead(info, down.data(), basis.data(), head);
}

}  // namespace exeunt
