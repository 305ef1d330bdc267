// CpuCandidates: top1 - top2 of the softmax, and the likeliest token, from the logits of a few candidates
// (backend/cpu/candidate_head.h). Bit-identical for any batch, thread count and instruction set. Not
// thread-safe.
#pragma once

#include <vector>

#include "backend/cpu/candidate_head.h"
#include "backend/cpu/cpu_layers.h"
#include "backend/cpu/exit_token.h"

namespace exeunt {

class CpuCandidates {
 public:
  // All outlive the object.
  CpuCandidates(const CandidateHead& frequent, const StageWeights& weights, const cpu::Ops& ops,
                cpu::ThreadPool* pool, CpuLayers* layers);

  // x: [rows, d_model], as the shared norm takes it, at one exit; prompts: [rows], whose heads are made where
  // they are not there yet; out: [rows].
  void Run(const float* x, int rows, const OutsideEstimate& outside, PromptCandidates* const* prompts,
           ExitToken* out);

 private:
  void RunBlock(const float* x, int rows, const OutsideEstimate& outside, PromptCandidates* const* prompts,
                ExitToken* out);
  ExitToken Choose(int row, const OutsideEstimate& outside, const CandidateHead& prompt);

  const CandidateHead& frequent_;
  const StageWeights& weights_;
  const cpu::Ops& ops_;
  cpu::ThreadPool* pool_;
  CpuLayers* layers_;
  MatmulRows normed_;          // [rows, d_model]
  size_t stride_ = 0;          // of logits_
  std::vector<float> logits_;  // [rows, stride_]: the frequent ones', then the prompt's
};

}  // namespace exeunt
