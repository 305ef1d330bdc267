#include "costs/learnt_cost.h"

#include <gtest/gtest.h>

namespace exeunt {
namespace {

TEST(LearntCostTest, FollowsWhatJobsOfASizeTake) {
  LearntCost cost;
  EXPECT_EQ(cost.curve().At(8), 0);
  cost.Observe(8, 2.0);
  EXPECT_DOUBLE_EQ(cost.curve().At(8), 2.0);
  EXPECT_DOUBLE_EQ(cost.curve().At(16), 4.0);  // in proportion, until it is known
  for (int i = 0; i < 200; ++i) cost.Observe(16, 3.0);
  EXPECT_NEAR(cost.curve().At(16), 3.0, 1e-9);
  EXPECT_NEAR(cost.curve().At(12), 2.5, 1e-9);
  for (int i = 0; i < 200; ++i) cost.Observe(8, 1.0);  // the machine has become faster
  EXPECT_NEAR(cost.curve().At(8), 1.0, 1e-3);
}

TEST(LearntCostTest, OneInterruptedJobMovesLittle) {
  LearntCost cost;
  for (int i = 0; i < 50; ++i) cost.Observe(4, 1.0);
  cost.Observe(4, 1000.0);
  EXPECT_NEAR(cost.curve().At(4), 1.0, 0.07);
}

TEST(LearntCostTest, TriesEverySizeOnceAndThenTakesTheLeastThatIsCheap) {
  LearntCost cost;
  for (const int rows : {16, 32, 64}) {
    EXPECT_EQ(cost.RowsToTry(16, 128), rows);
    cost.Observe(rows, rows < 32 ? 30.0 : rows);
  }
  EXPECT_EQ(cost.RowsToTry(16, 128), 32);
  EXPECT_EQ(cost.RowsToTry(64, 128), 64);  // not below the least
  EXPECT_EQ(cost.RowsToTry(24, 24), 24);
}

}  // namespace
}  // namespace exeunt
