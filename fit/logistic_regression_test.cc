#include "fit/logistic_regression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace exeunt::fit {
namespace {

struct Data {
  std::vector<std::vector<float>> x;
  std::vector<bool> label;
};

// Labels drawn with probability sigmoid(2 x0 - x1 + 0.5).
Data Draw(int rows, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<double> uniform;
  Data data;
  for (int i = 0; i < rows; ++i) {
    data.x.push_back({normal(rng), normal(rng), normal(rng)});
    const double score = 2.0 * double{data.x.back()[0]} - double{data.x.back()[1]} + 0.5;
    data.label.push_back(uniform(rng) < 1.0 / (1.0 + std::exp(-score)));
  }
  return data;
}

void Pass(const Data& data, LogisticRegression* fit) {
  for (size_t i = 0; i < data.x.size(); ++i) fit->Add(data.x[i].data(), data.label[i]);
}

// The standard error of a weight is about 2.5 / sqrt(20000) = .018 here; five of them are allowed.
TEST(LogisticRegressionTest, FindsTheWeightsThatDrewTheLabels) {
  const Data data = Draw(20000, 1);
  LogisticRegression fit(3);
  double before = 0;
  for (int pass = 0; pass < 8; ++pass) {
    Pass(data, &fit);
    if (pass == 0) before = fit.mean_loss();
    fit.Step(1e-9);
  }
  Pass(data, &fit);
  EXPECT_LT(fit.mean_loss(), before - 0.1);
  EXPECT_NEAR(fit.weight()(0), 2.0, 0.09);
  EXPECT_NEAR(fit.weight()(1), -1.0, 0.09);
  EXPECT_NEAR(fit.weight()(2), 0.0, 0.09);
  EXPECT_NEAR(fit.bias(), 0.5, 0.09);
  EXPECT_NEAR(fit.Probability(std::vector<float>{0, 0, 0}.data()), 1.0 / (1.0 + std::exp(-0.5)), 0.02);
}

// Labels of one kind have no least loss without a penalty: the weights stay finite.
TEST(LogisticRegressionTest, LabelsOfOneKindStayFinite) {
  LogisticRegression fit(3);
  Data data = Draw(50, 2);
  data.label.assign(50, true);
  for (int pass = 0; pass < 10; ++pass) {
    Pass(data, &fit);
    fit.Step(1e-2);
  }
  EXPECT_TRUE(fit.weight().allFinite());
  EXPECT_TRUE(std::isfinite(fit.bias()));
  EXPECT_GT(fit.Probability(data.x[0].data()), 0.9);
}

}  // namespace
}  // namespace exeunt::fit
