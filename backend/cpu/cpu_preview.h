// CpuPreview: top1 - top2 of the softmax, and the likeliest token, by a preview of the vocabulary head
// (backend/cpu/preview_head.h). Bit-identical for any batch, thread count and instruction set. Not
// thread-safe.
#pragma once

#include <span>
#include <vector>

#include "backend/cpu/cpu_layers.h"
#include "backend/cpu/exit_token.h"
#include "backend/cpu/preview_head.h"

namespace exeunt {

class CpuPreview {
 public:
  // All outlive the object.
  CpuPreview(const PreviewHead& preview, const StageWeights& weights, const cpu::Ops& ops,
             cpu::ThreadPool* pool, CpuLayers* layers);

  // x: [rows, d_model], as the shared norm takes it; out: [rows].
  void Run(const float* x, int rows, ExitToken* out);

 private:
  void RunBlock(const float* x, int rows, ExitToken* out);
  ExitToken Choose(int row);
  std::span<const int> BestGroups(float* best, int* chosen) const;

  const PreviewHead& preview_;
  const StageWeights& weights_;
  const cpu::Ops& ops_;
  cpu::ThreadPool* pool_;
  CpuLayers* layers_;
  MatmulRows normed_;                // [rows, d_model]
  MatmulRows projected_;             // [rows, rank]
  std::vector<float> best_;          // [rows, groups of the vocabulary]: the largest preview in each
  std::vector<int> exact_;           // [rows, groups that are computed exactly]
  std::vector<float> exact_logits_;  // [rows, groups that are computed exactly, their tokens]
};

}  // namespace exeunt
