// CostCurve: what a job costs by the number of its rows. Matrices are read once a job, so a few rows cost
// about as much as one; many cost in proportion.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace exeunt {

class CostCurve {
 public:
  CostCurve() = default;  // everything is free
  // So much a row, whatever their number.
  explicit CostCurve(double row) : points_({{1, row}}) {}
  // (rows, cost of a job of them), by ascending rows >= 1; not empty. Costs that fall are raised to the one
  // before: they are noise.
  explicit CostCurve(std::vector<std::pair<double, double>> points);
  // The points are these from now on; memory is kept.
  void Assign(std::span<const std::pair<double, double>> points);

  // Of a job of `rows` >= 0: 0 of none, linear between the points, beyond the last in proportion to it.
  double At(double rows) const;
  double Row(double rows) const { return At(rows) / rows; }
  // Expected cost of a job that each of `rows` joins with `probability`; it is not run for none.
  double Expected(int rows, double probability) const;
  // The least power of two, below `limit`, from which on a row costs hardly more (3 %) than at its cheapest;
  // otherwise `limit`.
  int EfficientRows(int limit) const;
  const std::vector<std::pair<double, double>>& points() const { return points_; }

 private:
  void Check();

  std::vector<std::pair<double, double>> points_;
};

// What jobs cost, in any one unit.
struct LayerCosts {
  CostCurve layer{1.0};  // rows run through one layer
  CostCurve fill;        // rows with K/V projected for one layer, where their tokens have left before
  CostCurve head;        // norm, vocabulary head and sampling
  // Rows that an exit looks at, where that gives the tokens of those that leave; none: they run the head.
  std::optional<CostCurve> exit;
};

}  // namespace exeunt
