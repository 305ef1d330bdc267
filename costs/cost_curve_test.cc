#include "costs/cost_curve.h"

#include <gtest/gtest.h>

namespace exeunt {
namespace {

TEST(CostCurveTest, InterpolatesBetweenPointsAndGoesOnInProportion) {
  const CostCurve curve({{1, 10}, {4, 16}, {8, 40}});
  EXPECT_EQ(curve.At(0), 0);
  EXPECT_EQ(curve.At(1), 10);
  EXPECT_EQ(curve.At(2), 12);
  EXPECT_EQ(curve.At(6), 28);
  EXPECT_EQ(curve.At(16), 80);
  EXPECT_EQ(curve.Row(4), 4);
  EXPECT_EQ(CostCurve().At(5), 0);
  EXPECT_EQ(CostCurve(3.0).At(7), 21);
}

TEST(CostCurveTest, MoreRowsNeverCostLess) {
  const CostCurve noisy({{1, 10}, {2, 8}, {4, 16}});
  EXPECT_EQ(noisy.At(2), 10);
  EXPECT_EQ(noisy.At(4), 16);
}

TEST(CostCurveTest, ExpectsWhatABinomialNumberOfRowsCosts) {
  const CostCurve curve({{1, 10}, {2, 12}});
  EXPECT_DOUBLE_EQ(curve.Expected(2, 0.5), 0.5 * 10 + 0.25 * 12);
  EXPECT_DOUBLE_EQ(curve.Expected(2, 1.0), 12);
  EXPECT_DOUBLE_EQ(curve.Expected(2, 0.0), 0);
  EXPECT_NEAR(CostCurve(2.0).Expected(500, 0.3), 2.0 * 500 * 0.3, 1e-6);
  EXPECT_DOUBLE_EQ(CostCurve(2.0).Expected(4096, 0.9), 2.0 * 4096 * 0.9);  // (1 - 0.9)^4096 underflows
}

TEST(CostCurveTest, KnowsFromWhereOnARowIsCheap) {
  const CostCurve curve({{1, 10}, {4, 10}, {64, 160}});
  EXPECT_EQ(curve.EfficientRows(256), 4);
  EXPECT_EQ(curve.EfficientRows(2), 2);
  EXPECT_EQ(CostCurve().EfficientRows(256), 256);
  EXPECT_EQ(CostCurve(1.0).EfficientRows(256), 1);
}

}  // namespace
}  // namespace exeunt
