#include "certify/replay.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace exeunt::certify {
namespace {

// Losses as word error rates are: most 0, some graded, with about this mean.
std::vector<double> Graded(double mean) {
  std::mt19937_64 rng(7);
  std::uniform_real_distribution<double> draw(0, 1);
  std::vector<double> losses(500, 0.0);
  for (double& x : losses) x = draw(rng) < 4 * mean ? 0.5 * draw(rng) : 0.0;
  return losses;
}

double Mean(const std::vector<double>& losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

// Exactly on the tolerance. 73 of 1000 is the .999 quantile of Binomial(1000, .05).
TEST(ReplayTest, TrafficOfTheToleranceAlarmsNoMoreOftenThanTheLevel) {
  const std::vector<double> losses = Graded(0.06);
  ReplayOptions options{.requests = 20000, .share = 0.1, .delta = Mean(losses), .level = 0.05};
  const size_t alarms = ReplayAlarms(losses, options).size();
  EXPECT_LE(alarms, 73U);
  EXPECT_GT(alarms, 0U) << "not by never alarming";
  options.delta *= 1.5;
  EXPECT_LE(ReplayAlarms(losses, options).size(), alarms);
}

TEST(ReplayTest, ShiftedTrafficAlarmsTheSoonerTheMoreIsAudited) {
  const std::vector<double> losses = Graded(0.15);
  ReplayOptions options{.replays = 200, .requests = 20000, .share = 0.1, .delta = 0.05};
  const auto alarms = ReplayAlarms(losses, options);
  ASSERT_EQ(alarms.size(), 200U);
  EXPECT_TRUE(std::is_sorted(alarms.begin(), alarms.end()));
  EXPECT_LT(alarms.front(), alarms.back()) << "replays differ";
  options.share = 1;
  const auto soon = ReplayAlarms(losses, options);
  EXPECT_NEAR(static_cast<double>(alarms[100]) / static_cast<double>(soon[100]), 10, 4);
  EXPECT_EQ(soon, ReplayAlarms(losses, options)) << "the seed says it all";
  options.share = 0;
  EXPECT_TRUE(ReplayAlarms(losses, options).empty());
}

}  // namespace
}  // namespace exeunt::certify
