#include "worker/cpu_preview.h"

#include <algorithm>
#include <limits>

#include "worker/sized.h"

namespace exeunt {
namespace {

constexpr int kRows = 64;           // of logits that are held at once
constexpr int kGroupsPerTask = 32;  // their logits stay in the cache
constexpr float kNone = -std::numeric_limits<float>::infinity();

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

void CpuPreview::Run(const float* x, int rows, Row* out) {
  const size_t d = Size(weights_.head.k());
  for (int first = 0; first < rows; first += kRows) {
    RunBlock(x + Size(first) * d, std::min(kRows, rows - first), out + first);
  }
}

void CpuPreview::RunBlock(const float* x, int rows, Row* out) {
  const int d = weights_.head.k();
  const int vocab = weights_.head.n();
  const cpu::PackedMatrix& up = preview_.up.parts()[0].weight;
  const size_t groups = Size(up.groups());
  normed_.Reset(rows, weights_.head);
  layers_->Normalise(x, weights_.head_norm, rows, &normed_);
  projected_.Reset(rows, preview_.up);
  layers_->Apply(preview_.down, normed_.all(), {projected_.row(0), Size(preview_.down.n()), false});
  for (int r = 0; r < rows; ++r) projected_.Ready(r);
  float* logits = Sized(&logits_, Size(kRows) * Size(vocab));
  float* best = Sized(&best_, Size(kRows) * groups);
  pool_->RunRanges((up.groups() + kGroupsPerTask - 1) / kGroupsPerTask, 1, [&](int begin, int end) {
    for (int g0 = begin * kGroupsPerTask; g0 < std::min(end * kGroupsPerTask, up.groups());
         g0 += kGroupsPerTask) {
      const int g1 = std::min(g0 + kGroupsPerTask, up.groups());
      ops_.matmul(up, projected_.all(), {logits, Size(vocab), false}, g0, g1);
      for (int r = 0; r < rows; ++r) {
        for (int g = g0; g < g1; ++g) {
          const float* of_group = logits + Size(r) * Size(vocab) + Size(g * cpu::kGroupColumns);
          const int columns = std::min(cpu::kGroupColumns, vocab - g * cpu::kGroupColumns);
          best[Size(r) * groups + Size(g)] = *std::max_element(of_group, of_group + columns);
        }
      }
    }
  });
  Sized(&exact_, Size(kRows) * Size(preview_.groups));
  Sized(&alone_, Size(kRows) * cpu::QuantRowBytes(d));
  pool_->RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) out[r] = Choose(r);
  });
}

// The groups with the largest previews, ascending; their entries in `best` become kNone. Ties go to the
// lower. chosen: [preview_.groups].
std::span<const int> CpuPreview::BestGroups(float* best, int* chosen) const {
  const int count = preview_.up.parts()[0].weight.groups();
  const auto better = [best](int a, int b) { return best[a] != best[b] ? best[a] > best[b] : a < b; };
  int* end = chosen;  // of a heap, the least of the chosen on top
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

// The head's own logits in the best groups. In the softmax's sum, every other group stands as its largest
// preview.
CpuPreview::Row CpuPreview::Choose(int row) {
  const int d = weights_.head.k();
  const int vocab = weights_.head.n();
  const cpu::PackedMatrix& head = weights_.head.parts()[0].weight;
  const int groups = head.groups();
  float* best = &best_[Size(row) * Size(groups)];
  float* logits = &logits_[Size(row) * Size(vocab)];
  uint8_t* alone = &alone_[Size(row) * cpu::QuantRowBytes(d)];
  if (weights_.head.quantised()) ops_.quantize(normed_.row(row), d, 0, {alone, 1, 0});
  Row chosen;
  float top2 = kNone;
  float top1 = kNone;
  const std::span<const int> exact = BestGroups(best, &exact_[Size(row) * Size(preview_.groups)]);
  for (const int g : exact) {
    ops_.matmul(head, {1, 1, normed_.row(row), alone}, {logits, Size(vocab), false}, g, g + 1);
    for (int i = g * cpu::kGroupColumns; i < std::min((g + 1) * cpu::kGroupColumns, vocab); ++i) {
      if (logits[i] > top1) {
        top2 = top1;
        top1 = logits[i];
        chosen.token = i;
      } else {
        top2 = std::max(top2, logits[i]);
      }
    }
  }
  float sum = 0.0F;
  for (const int g : exact) {
    const int columns = std::min(cpu::kGroupColumns, vocab - g * cpu::kGroupColumns);
    float* of_group = logits + Size(g * cpu::kGroupColumns);
    ops_.exp_scaled(of_group, columns, top1, 1.0F, of_group);
    for (int i = 0; i < columns; ++i) sum += of_group[i];
  }
  ops_.exp_scaled(best, groups, top1, 1.0F, best);
  for (int g = 0; g < groups; ++g) sum += best[g];
  chosen.margin = (1.0F - cpu::Exp(top2 - top1)) / sum;
  return chosen;
}

}  // namespace exeunt
