#include "backend/cpu/cpu_preview.h"

#include <algorithm>
#include <limits>

#include "base/sized.h"

namespace exeunt {
namespace {

constexpr int kRows = 64;  // rows of a block
constexpr int kGroupsPerTask = 16;
constexpr int kColumnsPerTask = kGroupsPerTask * kGroupColumns;  // columns whose logits stay in the cache
constexpr float kNone = -std::numeric_limits<float>::infinity();

void Prefetch(const uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i);
}

}  // namespace

CpuPreview::CpuPreview(const PreviewHead& preview, const StageWeights& weights, const cpu::Ops& ops,
                       cpu::ThreadPool* pool, CpuLayers* layers)
    : preview_(preview),
      weights_(weights),
      ops_(ops),
      pool_(pool),
      layers_(layers),
      normed_(ops),
      projected_(ops) {}

void CpuPreview::Run(int, const float* x, std::span<const CheapHeadRow> rows, ExitToken* out) {
  const size_t d = Size(weights_.head.k());
  const int count = static_cast<int>(rows.size());
  for (int first = 0; first < count; first += kRows) {
    RunBlock(x + Size(first) * d, std::min(kRows, count - first), out + first);
  }
}

void CpuPreview::RunBlock(const float* x, int rows, ExitToken* out) {
  const int vocab = weights_.head.n();
  const PackedMatrix& up = preview_.up.parts()[0].weight;
  const size_t groups = Size(up.groups());
  normed_.Reset(rows, weights_.head);
  layers_->Normalise(x, weights_.head_norm, rows, &normed_);
  projected_.Reset(rows, preview_.up);
  layers_->Apply(preview_.down, normed_.all(), {projected_.row(0), Size(preview_.down.n()), false});
  for (int r = 0; r < rows; ++r) projected_.Ready(r);
  float* best = Sized(&best_, Size(kRows) * groups);
  pool_->RunRanges((up.groups() + kGroupsPerTask - 1) / kGroupsPerTask, 1, [&](int begin, int end) {
    alignas(64) float logits[kRows * kColumnsPerTask];
    for (int g0 = begin * kGroupsPerTask; g0 < std::min(end * kGroupsPerTask, up.groups());
         g0 += kGroupsPerTask) {
      const int g1 = std::min(g0 + kGroupsPerTask, up.groups());
      if (g1 * kGroupColumns > vocab) std::fill_n(logits, rows * kColumnsPerTask, kNone);
      ops_.matmul(up, projected_.all(), {logits, Size(kColumnsPerTask), false, g0}, g0, g1);
      for (int r = 0; r < rows; ++r) {
        ops_.group_max(logits + r * kColumnsPerTask, g1 - g0, best + Size(r) * groups + Size(g0));
      }
    }
  });
  const size_t exact = Size(kRows) * Size(preview_.groups);
  Sized(&exact_, exact);
  Sized(&exact_logits_, exact * Size(kGroupColumns));
  normed_.KeepAlone();
  pool_->RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) out[r] = Choose(r);
  });
}

// Returns the groups with the largest previews, ascending. Their entries in `best` become kNone. Of equal
// groups the lower one is chosen. chosen: [preview_.groups].
std::span<const int> CpuPreview::BestGroups(float* best, int* chosen) const {
  const int count = preview_.up.parts()[0].weight.groups();
  const auto better = [best](int a, int b) { return best[a] != best[b] ? best[a] > best[b] : a < b; };
  int* end = chosen;  // end of a heap with the least of the chosen groups on top
  for (int g = 0; g < count; ++g) {
    if (end == chosen + preview_.groups) {
      if (!better(g, *chosen)) continue;
      std::pop_heap(chosen, end--, better);
    }
    *end++ = g;
    std::push_heap(chosen, end, better);
  }
  std::sort(chosen, end);
  for (const int* g = chosen; g < end; ++g) best[*g] = kNone;
  return {chosen, end};
}

// Computes the head's own logits in the best groups. In the softmax's sum the largest preview of every other
// group stands for that group.
ExitToken CpuPreview::Choose(int row) {
  const PackedMatrix& head = weights_.head.parts()[0].weight;
  const int groups = head.groups();
  float* best = &best_[Size(row) * Size(groups)];
  const cpu::MatmulInput alone = normed_.Alone(row);
  ExitToken chosen;
  float top2 = kNone;
  float top1 = kNone;
  const std::span<const int> exact = BestGroups(best, &exact_[Size(row) * Size(preview_.groups)]);
  const std::span logits(&exact_logits_[Size(row) * Size(preview_.groups) * Size(kGroupColumns)],
                         exact.size() * kGroupColumns);
  std::fill(logits.begin(), logits.end(), kNone);
  for (size_t e = 0; e < exact.size(); ++e) {
    const int g = exact[e];
    float* of_group = &logits[e * kGroupColumns];
    if (e + 1 < exact.size()) Prefetch(head.group(exact[e + 1]), head.group_bytes());
    ops_.matmul(head, alone, {of_group, 0, false, g}, g, g + 1);
    for (int i = 0; i < kGroupColumns; ++i) {
      if (of_group[i] > top1) {
        top2 = top1;
        top1 = of_group[i];
        chosen.token = g * kGroupColumns + i;
      } else {
        top2 = std::max(top2, of_group[i]);
      }
    }
  }
  float sum = 0.0F;
  ops_.exp_scaled(logits.data(), static_cast<int>(logits.size()), top1, 1.0F, logits.data());
  for (const float p : logits) sum += p;
  if (exact.size() < Size(groups)) {
    const VocabStats others = ops_.vocab_stats(best, 0, groups);
    sum += others.sum_exp * cpu::Exp(others.top1 - top1);
  }
  chosen.margin = (1.0F - cpu::Exp(top2 - top1)) / sum;
  return chosen;
}

}  // namespace exeunt
