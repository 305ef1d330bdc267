// CostCurve is the cost of a job by the number of its rows. A job reads each matrix once. A few rows
// therefore cost about as much as one, and many rows cost in proportion.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace exeunt {

class CostCurve {
 public:
  CostCurve() = default;  // everything is free
  // Each row costs `row`, whatever their number.
  explicit CostCurve(double row) : points_({{1, row}}) {}
  // Points are (rows, cost of a job of these rows), by ascending rows >= 1, and not empty. A cost that falls
  // is noise and is raised to the one before.
  explicit CostCurve(std::vector<std::pair<double, double>> points);
  // Replaces the points and keeps the memory.
  void Assign(std::span<const std::pair<double, double>> points);

  // Returns the cost of a job of `rows` >= 0. It is 0 for none, linear between the points, and in proportion
  // beyond the last.
  double At(double rows) const;
  double Row(double rows) const { return At(rows) / rows; }
  // Returns the expected cost of a job that each of `rows` joins with `probability`. A job without rows is
  // not run.
  double Expected(int rows, double probability) const;
  // Returns the least power of two below `limit` from which on a row costs hardly more (3 %) than at its
  // cheapest. Returns `limit` if there is none.
  int EfficientRows(int limit) const;
  const std::vector<std::pair<double, double>>& points() const { return points_; }

 private:
  void Check();

  std::vector<std::pair<double, double>> points_;
};

// The costs of jobs, in any one unit.
struct LayerCosts {
  CostCurve layer{1.0};  // rows run through one layer
  CostCurve fill;        // rows whose K/V is projected for one layer, because their tokens left before
  CostCurve head;        // norm, vocabulary head and sampling
  // Rows at an exit, if the exit gives the tokens of those that leave. If empty, these rows run the head.
  std::optional<CostCurve> exit;
};

}  // namespace exeunt
