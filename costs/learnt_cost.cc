#include "costs/learnt_cost.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace exeunt {
namespace {

constexpr double kWeight = 1.0 / 16;  // weight of one observation
constexpr double kOutlier = 2;        // limit of an observation, times the average

}  // namespace

size_t LearntCost::BucketOf(int rows) {
  const auto at = static_cast<size_t>(std::bit_width(static_cast<unsigned>(rows))) - 1;
  return std::min(at, std::tuple_size_v<decltype(buckets_)> - 1);
}

int LearntCost::RowsToTry(int least, int limit) const {
  for (int rows = least; rows < limit; rows *= 2) {
    if (buckets_[BucketOf(rows)].rows == 0) return rows;
  }
  return std::max(std::min(least, limit), curve_.EfficientRows(limit));
}

void LearntCost::Observe(int rows, double seconds) {
  CHECK_GE(rows, 1);
  Bucket& bucket = buckets_[BucketOf(rows)];
  if (bucket.rows == 0) {
    bucket = {static_cast<double>(rows), seconds};
  } else {
    const double expected = bucket.seconds * std::max(1.0, rows / bucket.rows);
    bucket.rows += kWeight * (rows - bucket.rows);
    bucket.seconds += kWeight * (std::min(seconds, kOutlier * expected) - bucket.seconds);
  }
  std::array<std::pair<double, double>, std::tuple_size_v<decltype(buckets_)>> points;
  size_t n = 0;
  for (const Bucket& b : buckets_) {
    if (b.rows > 0) points[n++] = {b.rows, b.seconds};
  }
  curve_.Assign({points.data(), n});
}

}  // namespace exeunt
