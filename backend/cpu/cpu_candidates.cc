#include "backend/cpu/cpu_candidates.h"

#include <algorithm>

#include "base/check.h"
#include "base/sized.h"

namespace exeunt {
namespace {

constexpr size_t kRows = 64;  // rows of a block
constexpr size_t kMostChunks = (kMostCandidates + kMostPromptCandidates) / kVocabChunk;

size_t Count(const CandidateHead& head) { return head.tokens.size(); }

}  // namespace

CpuCandidates::CpuCandidates(const CandidateHead& frequent, OutsideOf outside, const StageWeights& weights,
                             const cpu::Ops& ops, cpu::ThreadPool* pool, CpuLayers* layers)
    : frequent_(frequent),
      outside_(std::move(outside)),
      weights_(weights),
      ops_(ops),
      pool_(pool),
      layers_(layers),
      normed_(ops),
      stride_((Count(frequent) + kMostPromptCandidates + 15) / 16 * 16) {}

void CpuCandidates::Run(int layer, const float* x, std::span<const CheapHeadRow> rows, ExitToken* out) {
  const OutsideEstimate* const outside = outside_(layer);
  CHECK(outside != nullptr);
  for (size_t first = 0; first < rows.size(); first += kRows) {
    RunBlock(*outside, x + first * Size(weights_.head.k()),
             rows.subspan(first, std::min<size_t>(kRows, rows.size() - first)), out + first);
  }
}

void CpuCandidates::RunBlock(const OutsideEstimate& outside, const float* x,
                             std::span<const CheapHeadRow> block, ExitToken* out) {
  const int rows = static_cast<int>(block.size());
  of_rows_.clear();
  for (const CheapHeadRow& row : block) {
    auto it = prompts_.find(row.sequence);
    if (it == prompts_.end()) {
      it = prompts_
               .emplace(row.sequence, MakeCandidateHead(*weights_.source, weights_.head,
                                                        PromptCandidateTokens(*row.prompt, frequent_.tokens)))
               .first;
    }
    of_rows_.push_back(&it->second);
  }
  normed_.Reset(rows, frequent_.head);
  layers_->Normalise(x, weights_.head_norm, rows, &normed_);
  Sized(&logits_, kRows * stride_);
  normed_.KeepAlone();
  layers_->Apply(frequent_.head, normed_.all(), {logits_.data(), stride_, false});
  pool_->RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) out[r] = Choose(r, outside, *of_rows_[Size(r)]);
  });
}

ExitToken CpuCandidates::Choose(int row, const OutsideEstimate& outside, const CandidateHead& prompt) {
  const float* z = normed_.row(row);
  float* logits = &logits_[Size(row) * stride_];
  if (Count(prompt) > 0) {
    const PackedMatrix& weight = prompt.head.parts()[0].weight;
    ops_.matmul(weight, normed_.Alone(row), {logits + Count(frequent_), 0, false}, 0, weight.groups());
  }
  const auto count = static_cast<int>(Count(frequent_) + Count(prompt));
  VocabStats chunks[kMostChunks];
  int n = 0;
  for (int begin = 0; begin < count; begin += kVocabChunk) {
    chunks[n++] = ops_.vocab_stats(logits, begin, std::min(count, begin + kVocabChunk));
  }
  const VocabStats all = ops_.merge_vocab_stats(chunks, n);
  const float rest = ops_.dot(z, outside.weight.data(), weights_.head.k()) + outside.bias;
  const auto index = Size(all.argmax);
  return {index < Count(frequent_) ? frequent_.tokens[index] : prompt.tokens[index - Count(frequent_)],
          (1.0F - cpu::Exp(all.top2 - all.top1)) / (all.sum_exp + cpu::Exp(rest - all.top1))};
}

}  // namespace exeunt
