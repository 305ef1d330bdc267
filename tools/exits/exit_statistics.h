// ExitStatistics says how far the token of one exit can be trusted, from pairs of the exit's logits and the
// last layer's. `probe` reports it and `fit` judges by it. Memory is constant. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>

#include "tools/exits/exit_judge.h"

namespace exeunt::tools {

// Agreements by confidence in [0, 1], in equal bins.
struct Reliability {
  static constexpr int kBins = 1000;
  std::array<uint64_t, kBins> rows{};
  std::array<uint64_t, kBins> agreeing{};

  void Add(double confidence, bool agrees);
  // Returns the area under the receiver operating characteristic of the confidence as a predictor of
  // agreement. Ties count half. It is 0.5 if all agree or none.
  double Auc() const;
  // The share of the rows with a confidence of at least `threshold`, and the share of agreements among them.
  struct Above {
    double share = 0.0;
    double agreement = 1.0;
  };
  Above AtLeast(double threshold) const;
};

struct ExitStatistics {
  uint64_t rows = 0;
  uint64_t agreeing = 0;
  double divergence = 0.0;  // sum of KL(last layer || exit), nats
  Reliability softmax;      // by top1 - top2 of the exit's softmax

  void Add(const JudgedRow& row);
  double agreement() const {
    return rows == 0 ? 0.0 : static_cast<double>(agreeing) / static_cast<double>(rows);
  }
  double mean_divergence() const { return rows == 0 ? 0.0 : divergence / static_cast<double>(rows); }
};

}  // namespace exeunt::tools
