#include "fit/low_rank_head.h"

#include <gtest/gtest.h>

#include "fit/testing/random_matrix.h"

namespace exeunt::fit {
namespace {

// Mean square error of the logits about each state's mean, relative to their variance.
double Error(const RowMajorMatrix& head, const LowRankHead& fitted, const RowMajorMatrix& z) {
  RowMajorMatrix exact = z * head.transpose();
  RowMajorMatrix seen = z * fitted.down.transpose() * (head * fitted.basis).transpose();
  exact.colwise() -= exact.rowwise().mean().eval();
  seen.colwise() -= seen.rowwise().mean().eval();
  return (exact - seen).squaredNorm() / exact.squaredNorm();
}

class LowRankHeadTest : public ::testing::Test {
 protected:
  LowRankHead Fit(int rank, const RowMajorMatrix& z) const {
    LowRankHeadFit fit(static_cast<int>(z.cols()));
    fit.Add(z.data(), static_cast<int>(z.rows()));
    return fit.Solve(rank, static_cast<int>(head_.rows()), [this](int row, float* to) {
      Eigen::Map<Eigen::RowVectorXf>(to, head_.cols()) = head_.row(row);
    });
  }
  RowMajorMatrix head_ = RandomMatrix(2000, 24, 1);
};

TEST_F(LowRankHeadTest, StatesOfFewDirectionsNeedNoMore) {
  const RowMajorMatrix z = RandomMatrix(300, 4, 2) * RandomMatrix(4, 24, 3);
  const LowRankHead fitted = Fit(4, z);
  EXPECT_LT(Error(head_, fitted, z), 1e-3);
  EXPECT_GT(fitted.explained, 0.99);
  EXPECT_GT(Error(head_, Fit(2, z), z), 0.05);
}

// What is left over is what the eigenvalues say, and less than a plain projection of the head leaves.
TEST_F(LowRankHeadTest, ErrorIsTheVarianceThatIsNotExplained) {
  RowMajorMatrix z = RandomMatrix(3000, 24, 4);
  for (int c = 0; c < 24; ++c) z.col(c) *= 1.0F / static_cast<float>(1 + c);
  head_.col(23) *= 20.0F;  // much weight where states hardly go
  const LowRankHead fitted = Fit(6, z);
  EXPECT_NEAR(Error(head_, fitted, z), 1.0 - fitted.explained, 1e-3);
  RowMajorMatrix same = RowMajorMatrix::Identity(24, 24);
  LowRankHeadFit blind(24);
  blind.Add(same.data(), 24);
  const LowRankHead plain = blind.Solve(
      6, 2000, [this](int row, float* to) { Eigen::Map<Eigen::RowVectorXf>(to, 24) = head_.row(row); });
  EXPECT_LT(Error(head_, fitted, z), 0.5 * Error(head_, plain, z));
}

}  // namespace
}  // namespace exeunt::fit
