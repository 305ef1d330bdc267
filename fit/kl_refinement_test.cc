#include "fit/kl_refinement.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fit/logit_gradient.h"
#include "fit/testing/random_matrix.h"

namespace exeunt::fit {
namespace {

constexpr int kIn = 5;
constexpr int kOut = 6;
constexpr int kVocab = 40;
constexpr float kEps = 1e-5F;

RowMajorMatrix Softmax(const RowMajorMatrix& logits) {
  RowMajorMatrix p = (logits.colwise() - logits.rowwise().maxCoeff()).array().exp();
  return p.array().colwise() / p.rowwise().sum().eval().array();
}

class KlRefinementTest : public ::testing::Test {
 protected:
  // Probabilities after the norm and the head, of states in the last layer's space.
  RowMajorMatrix Probabilities(RowMajorMatrix y) const {
    for (Eigen::Index r = 0; r < y.rows(); ++r) y.row(r) /= std::sqrt(y.row(r).squaredNorm() / kOut + kEps);
    return Softmax(y * norm_.asDiagonal() * head_.transpose());
  }
  double Divergence(const AffineMap& map, const RowMajorMatrix& x, const RowMajorMatrix& p) const {
    const RowMajorMatrix q = Probabilities(map.Apply(x.data(), static_cast<int>(x.rows())));
    const Eigen::MatrixXd logs = (p.cast<double>().array() / q.cast<double>().array()).log();
    return (p.cast<double>().array() * logs.array()).sum() / static_cast<double>(x.rows());
  }
  RowMajorMatrix HeadGradient(const AffineMap& map, const RowMajorMatrix& x, const RowMajorMatrix& p,
                              float unit, double draw) const {
    const RowMajorMatrix q = Probabilities(map.Apply(x.data(), static_cast<int>(x.rows())));
    std::vector<std::vector<LogitEntry>> gradients;
    for (Eigen::Index r = 0; r < x.rows(); ++r)
      gradients.push_back(RoundedDifference(q.row(r).data(), p.row(r).data(), kVocab, unit, draw));
    return TimesHead(gradients, kOut, kVocab, [this](int token, float* to) {
      Eigen::Map<Eigen::RowVectorXf>(to, kOut) = head_.row(token);
    });
  }
  RowMajorMatrix head_ = RandomMatrix(kVocab, kOut, 1);
  Eigen::VectorXf norm_ = RandomMatrix(kOut, 1, 2).array() + 1.5F;
};

// F32 sums and a step of 1e-2: differences are good to about 1e-4 of the largest entry, which is near 1.
TEST_F(KlRefinementTest, GradientIsThatOfFiniteDifferences) {
  const RowMajorMatrix x = RandomMatrix(7, kIn, 3);
  const RowMajorMatrix p = Probabilities(RandomMatrix(7, kOut, 4));
  const AffineMap map{RandomMatrix(kOut, kIn, 5), RandomMatrix(kOut, 1, 6)};
  const AffineMap gradient =
      KlRefinement(map, norm_, kEps).Gradient(x.data(), HeadGradient(map, x, p, 0.0F, 0.0));
  EXPECT_GT(gradient.weight.norm(), 0.05F);
  constexpr float kStep = 1e-2F;
  const auto difference = [&](const auto& move) {
    AffineMap up = map;
    AffineMap down = map;
    move(&up, kStep);
    move(&down, -kStep);
    return (Divergence(up, x, p) - Divergence(down, x, p)) / double{2 * kStep};
  };
  for (int i = 0; i < kOut; ++i) {
    EXPECT_NEAR(gradient.bias(i), difference([i](AffineMap* m, float by) { m->bias(i) += by; }), 2e-3);
    for (int j = 0; j < kIn; ++j) {
      EXPECT_NEAR(gradient.weight(i, j),
                  difference([i, j](AffineMap* m, float by) { m->weight(i, j) += by; }), 2e-3);
    }
  }
}

// Over evenly spread draws the rounded gradients are the exact one on average; each has few entries.
TEST_F(KlRefinementTest, RoundingKeepsTheExpectation) {
  const RowMajorMatrix x = RandomMatrix(3, kIn, 7);
  const RowMajorMatrix p = Probabilities(RandomMatrix(3, kOut, 8));
  const AffineMap map{RandomMatrix(kOut, kIn, 9), RandomMatrix(kOut, 1, 10)};
  constexpr float kUnit = 0.1F;
  constexpr int kDraws = 1000;
  const RowMajorMatrix exact = HeadGradient(map, x, p, 0.0F, 0.0);
  RowMajorMatrix mean = RowMajorMatrix::Zero(3, kOut);
  for (int i = 0; i < kDraws; ++i)
    mean += HeadGradient(map, x, p, kUnit, (i + 0.5) / kDraws) / static_cast<float>(kDraws);
  EXPECT_LT((mean - exact).norm(), 0.01F * exact.norm());
  EXPECT_GT((HeadGradient(map, x, p, kUnit, 0.5) - exact).norm(), 0.01F * exact.norm());
  const RowMajorMatrix q = Probabilities(map.Apply(x.data(), 3));
  EXPECT_LE(RoundedDifference(q.data(), p.data(), kVocab, kUnit, 0.5).size(), 2 / kUnit + 1);
  EXPECT_EQ(RoundedDifference(q.data(), p.data(), kVocab, 0.0F, 0.5).size(), kVocab);
}

// The last layer's states are no linear function of the exit's: least squares is not the least KL.
TEST_F(KlRefinementTest, BeatsTheRidgeOnRowsItHasNotSeen) {
  const RowMajorMatrix hidden = RandomMatrix(kOut, kIn, 11);
  const auto last = [&](const RowMajorMatrix& x) {
    RowMajorMatrix y = x * hidden.transpose();
    y.array() += 0.5F * y.array().cube();
    return y;
  };
  RowMajorMatrix x = RandomMatrix(2000, kIn, 12);
  x.col(0) *= 100.0F;  // a massive coordinate, that says nothing
  const auto told = [](RowMajorMatrix m) {
    m.col(0).setZero();
    return m;
  };
  const RowMajorMatrix y = last(told(x));
  RidgeRegression sums(kIn, kOut);
  sums.Add(x.data(), y.data(), 2000);
  const AffineMap ridge = sums.Solve(1e-6);
  KlRefinement refined(ridge, norm_, kEps);
  constexpr int kBatch = 100;
  for (int step = 0; step < 200; ++step) {
    const RowMajorMatrix batch = x.middleRows(step % 20 * kBatch, kBatch);
    const RowMajorMatrix p = Probabilities(y.middleRows(step % 20 * kBatch, kBatch));
    refined.Step(batch.data(), HeadGradient(refined.map(), batch, p, 0.02F, 0.5), 0.02F);
  }
  RowMajorMatrix others = RandomMatrix(1000, kIn, 13);
  others.col(0) *= 100.0F;
  const RowMajorMatrix p = Probabilities(last(told(others)));
  const double before = Divergence(ridge, others, p);
  EXPECT_GT(before, 0.01);
  EXPECT_LT(Divergence(refined.map(), others, p), 0.9 * before);
}

}  // namespace
}  // namespace exeunt::fit
