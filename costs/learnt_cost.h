// LearntCost learns the cost of jobs of one kind while they run. Each power of two of rows has a moving
// average. The curve therefore follows the machine and the length of the contexts.
#pragma once

#include <array>
#include <cstddef>

#include "costs/cost_curve.h"

namespace exeunt {

class LearntCost {
 public:
  void Observe(int rows, double seconds);
  // Returns the first power of two in [least, limit) that was not observed yet. Otherwise returns
  // CostCurve::EfficientRows, at least `least`. Trying every size once shows which is the best.
  int RowsToTry(int least, int limit) const;
  // Everything is free before the first observation.
  const CostCurve& curve() const { return curve_; }

 private:
  static size_t BucketOf(int rows);
  struct Bucket {
    double rows = 0;  // averages; 0: nothing observed
    double seconds = 0;
  };
  std::array<Bucket, 16> buckets_;  // [2^i, 2^(i+1)) rows; the last one also has all above
  CostCurve curve_;
};

}  // namespace exeunt
