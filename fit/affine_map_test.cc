#include "fit/affine_map.h"

#include <gtest/gtest.h>

#include "fit/testing/random_matrix.h"

namespace exeunt::fit {
namespace {

TEST(RidgeRegressionTest, FindsTheMapThatMadeTheData) {
  const RowMajorMatrix w = RandomMatrix(3, 5, 1);
  const Eigen::VectorXf b = RandomMatrix(3, 1, 2);
  const RowMajorMatrix x = RandomMatrix(200, 5, 3);
  const RowMajorMatrix y = (x * w.transpose()).rowwise() + b.transpose();
  RidgeRegression whole(5, 3);
  whole.Add(x.data(), y.data(), 200);
  RidgeRegression parts(5, 3);
  parts.Add(x.data(), y.data(), 150);
  parts.Add(x.row(150).data(), y.row(150).data(), 50);
  for (const RidgeRegression* fit : {&whole, &parts}) {
    EXPECT_EQ(fit->rows(), 200);
    const AffineMap map = fit->Solve(1e-12);
    EXPECT_LT((map.weight - w).norm(), 1e-4F);
    EXPECT_LT((map.bias - b).norm(), 1e-4F);
  }
}

// The gradient of the penalised loss is zero at its least: 2 X^T (X W - Y) + 2 lambda W = 0.
TEST(RidgeRegressionTest, PenaltyIsThatOfTheFormula) {
  const RowMajorMatrix x = RandomMatrix(40, 6, 4);
  const RowMajorMatrix y = RandomMatrix(40, 2, 5);
  RidgeRegression fit(6, 2);
  fit.Add(x.data(), y.data(), 40);
  const AffineMap map = fit.Solve(0.5);
  const RowMajorMatrix residual = ((x * map.weight.transpose()).rowwise() + map.bias.transpose()) - y;
  const float lambda = 0.5F * x.squaredNorm() / 6.0F;
  const RowMajorMatrix gradient = residual.transpose() * x + lambda * map.weight;
  EXPECT_LT(gradient.norm(), 1e-3F * y.norm());
  EXPECT_LT(residual.colwise().sum().norm(), 1e-3F);  // the bias is free
  EXPECT_GT(map.weight.norm(), 0.01F);
}

// Fewer rows than dimensions: the penalty keeps it solvable.
TEST(RidgeRegressionTest, FewRowsStayFinite) {
  const RowMajorMatrix x = RandomMatrix(3, 16, 6);
  RidgeRegression fit(16, 16);
  fit.Add(x.data(), x.data(), 3);
  EXPECT_TRUE(fit.Solve(1e-3).weight.allFinite());
}

}  // namespace
}  // namespace exeunt::fit
