// LearntCost: what jobs of one kind take, learnt while they run. Rows are counted in powers of two, each with
// a moving average, so the curve follows the machine and the length of the contexts.
#pragma once

#include <array>
#include <cstddef>

#include "costs/cost_curve.h"

namespace exeunt {

class LearntCost {
 public:
  void Observe(int rows, double seconds);
  // The first power of two in [least, limit) that nothing has been observed of yet; otherwise
  // CostCurve::EfficientRows, at least `least`: trying every size once shows which is the best.
  int RowsToTry(int least, int limit) const;
  // Free of cost while nothing has been observed.
  const CostCurve& curve() const { return curve_; }

 private:
  static size_t BucketOf(int rows);
  struct Bucket {
    double rows = 0;  // averages; 0: nothing observed
    double seconds = 0;
  };
  std::array<Bucket, 16> buckets_;  // of [2^i, 2^(i+1)) rows, and what is beyond
  CostCurve curve_;
};

}  // namespace exeunt
