// RoPE frequencies of a model, with linear, Llama 3 and YaRN scaling. Immutable. Thread-safe.
#pragma once

#include <vector>

#include "model/config.h"

namespace exeunt {

class Rope {
 public:
  explicit Rope(const ModelConfig& config);
  // Writes cos and sin of every pair's angle at `position`, [head_dim / 2] each.
  void At(int position, float* cos, float* sin) const;

 private:
  std::vector<double> frequency_;  // radians per position; [head_dim / 2]
  double magnitude_ = 1.0;         // YaRN's attention factor
};

}  // namespace exeunt
