// CpuCandidates is the cheap head that looks at a few candidate tokens (backend/cpu/candidate_head.h). It
// makes a head for each sequence's prompt when it first needs one, and keeps it until Forget.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "backend/cpu/candidate_head.h"
#include "backend/cpu/cheap_head.h"
#include "backend/cpu/cpu_layers.h"

namespace exeunt {

class CpuCandidates : public CheapHead {
 public:
  // Returns the estimate that was fitted for the exit after a layer, or nullptr if there is none.
  using OutsideOf = std::function<const OutsideEstimate*(int layer)>;

  // All arguments must outlive the object.
  CpuCandidates(const CandidateHead& frequent, OutsideOf outside, const StageWeights& weights,
                const cpu::Ops& ops, cpu::ThreadPool* pool, CpuLayers* layers);

  bool Serves(int layer) const override { return outside_(layer) != nullptr; }
  void Run(int layer, const float* x, std::span<const CheapHeadRow> rows, ExitToken* out) override;
  void Forget(uint64_t sequence) override { prompts_.erase(sequence); }

 private:
  void RunBlock(const OutsideEstimate& outside, const float* x, std::span<const CheapHeadRow> rows,
                ExitToken* out);
  ExitToken Choose(int row, const OutsideEstimate& outside, const CandidateHead& prompt);

  const CandidateHead& frequent_;
  OutsideOf outside_;
  const StageWeights& weights_;
  const cpu::Ops& ops_;
  cpu::ThreadPool* pool_;
  CpuLayers* layers_;
  std::map<uint64_t, CandidateHead> prompts_;  // by sequence
  std::vector<const CandidateHead*> of_rows_;  // by row of a block
  MatmulRows normed_;                          // [rows, d_model]
  size_t stride_ = 0;                          // row length of logits_
  std::vector<float> logits_;  // [rows, stride_]: logits of the frequent tokens, then those of the prompt
};

}  // namespace exeunt
