#include "costs/cost_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace exeunt {

CostCurve::CostCurve(std::vector<std::pair<double, double>> points) : points_(std::move(points)) { Check(); }

void CostCurve::Assign(std::span<const std::pair<double, double>> points) {
  points_.assign(points.begin(), points.end());
  Check();
}

void CostCurve::Check() {
  CHECK(!points_.empty());
  CHECK_GE(points_.front().first, 1.0);
  for (size_t i = 1; i < points_.size(); ++i) {
    CHECK_LT(points_[i - 1].first, points_[i].first);
    points_[i].second = std::max(points_[i].second, points_[i - 1].second);
  }
}

double CostCurve::At(double rows) const {
  if (points_.empty() || rows <= 0) return 0;
  const auto above =
      std::find_if(points_.begin(), points_.end(), [rows](const auto& point) { return point.first >= rows; });
  if (above == points_.end()) return points_.back().second * rows / points_.back().first;
  if (above == points_.begin()) return above->second;
  const auto& [low, low_cost] = *std::prev(above);
  const auto& [high, high_cost] = *above;
  return low_cost + (high_cost - low_cost) * (rows - low) / (high - low);
}

double CostCurve::Expected(int rows, double probability) const {
  if (probability >= 1) return At(rows);
  double chance = std::pow(1 - probability, rows);  // chance of k rows, from k = 0
  // With so many rows the chance of none is too small for a double, and their number hardly varies.
  if (chance < std::numeric_limits<double>::min()) return At(rows * probability);
  double expected = 0;
  for (int k = 1; k <= rows; ++k) {
    chance *= probability / (1 - probability) * (rows - k + 1) / k;
    expected += chance * At(k);
  }
  return expected;
}

int CostCurve::EfficientRows(int limit) const {
  constexpr double kSlack = 1.03;
  if (points_.empty()) return limit;
  double cheapest = Row(points_.front().first);
  for (const auto& [rows, cost] : points_) cheapest = std::min(cheapest, cost / rows);
  int rows = 1;
  while (rows < limit && Row(rows) > kSlack * cheapest) rows *= 2;
  return std::min(rows, limit);
}

}  // namespace exeunt
