// CpuPreview is the cheap head that previews the vocabulary head (backend/cpu/preview_head.h).
#pragma once

#include <span>
#include <vector>

#include "backend/cpu/cheap_head.h"
#include "backend/cpu/cpu_layers.h"
#include "backend/cpu/preview_head.h"

namespace exeunt {

class CpuPreview : public CheapHead {
 public:
  // All arguments must outlive the object.
  CpuPreview(const PreviewHead& preview, const StageWeights& weights, const cpu::Ops& ops,
             cpu::ThreadPool* pool, CpuLayers* layers);

  bool Serves(int) const override { return true; }
  void Run(int layer, const float* x, std::span<const CheapHeadRow> rows, ExitToken* out) override;
  void Forget(uint64_t) override {}

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
  std::vector<float> best_;          // [rows, groups of the vocabulary]: largest preview in each group
  std::vector<int> exact_;           // [rows, groups that are computed exactly]
  std::vector<float> exact_logits_;  // [rows, groups that are computed exactly, tokens of a group]
};

}  // namespace exeunt
