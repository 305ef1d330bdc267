#include "certify/e_process.h"

#include <gtest/gtest.h>

#include <random>

namespace exeunt::certify {
namespace {

// Runs that alarm at any time within `length` losses drawn as 0 or 1 with the given mean.
int Alarms(double mean, double delta, double level, int runs, int length) {
  std::mt19937_64 rng(3);
  std::bernoulli_distribution draw(mean);
  int alarms = 0;
  for (int run = 0; run < runs; ++run) {
    EProcess process(delta, level);
    for (int i = 0; i < length && !process.alarmed(); ++i) process.Add(draw(rng) ? 1.0 : 0.0);
    alarms += process.alarmed() ? 1 : 0;
  }
  return alarms;
}

// 73 of 1000 is the .999 quantile of Binomial(1000, .05).
TEST(EProcessTest, TrafficThatKeepsThePromiseAlarmsNoMoreOftenThanItsLevel) {
  for (const double delta : {0.05, 0.1, 0.3}) {
    EXPECT_LE(Alarms(delta, delta, 0.05, 1000, 2000), 73) << delta;
    EXPECT_LE(Alarms(delta * 0.7, delta, 0.05, 1000, 2000), 73) << delta;
  }
  EXPECT_GT(Alarms(0.1, 0.1, 0.05, 1000, 2000), 0);  // not by never alarming
}

TEST(EProcessTest, ShiftedTrafficAlarms) {
  EXPECT_EQ(Alarms(0.2, 0.1, 0.05, 200, 1500), 200);
  EXPECT_GE(Alarms(0.1, 0.05, 0.05, 200, 2000), 198);
}

TEST(EProcessTest, GoesOnFromItsState) {
  std::mt19937_64 rng(9);
  std::uniform_real_distribution<double> draw(0, 0.5);
  EProcess whole(0.1, 0.05);
  EProcess first(0.1, 0.05);
  std::vector<double> losses;
  for (int i = 0; i < 200; ++i) losses.push_back(draw(rng));
  for (const double x : losses) whole.Add(x);
  for (int i = 0; i < 120; ++i) first.Add(losses[static_cast<size_t>(i)]);
  EProcess second(0.1, 0.05, first.state());
  for (int i = 120; i < 200; ++i) second.Add(losses[static_cast<size_t>(i)]);
  EXPECT_EQ(second.wealth(), whole.wealth());
  EXPECT_EQ(second.mean_loss(), whole.mean_loss());
  EXPECT_TRUE(whole.alarmed());
  EXPECT_GT(whole.wealth(), 20.0);
}

// Years of broken traffic do not overflow it, nor does a loss outside its range.
TEST(EProcessTest, StaysFinite) {
  EProcess process(0.01, 0.05);
  for (int i = 0; i < 100000; ++i) process.Add(7.0);
  EXPECT_TRUE(std::isfinite(process.wealth()));
  EXPECT_TRUE(process.alarmed());
  EXPECT_DOUBLE_EQ(process.mean_loss(), 1.0);
}

}  // namespace
}  // namespace exeunt::certify
