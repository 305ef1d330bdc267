#include "model/exit_policy.h"

#include <gtest/gtest.h>

#include <climits>
#include <cmath>
#include <map>

namespace exeunt {
namespace {

ExitSetting Softmax(float threshold) {
  return {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kSoftmax, .threshold = threshold};
}

bool Leaves(const ExitSetting& setting, int layer, int t, float signal, uint32_t position = 0) {
  const ExitQuery query{&setting, layer, t, signal, 1, 0, position};
  uint8_t decision = 2;
  CalmExitPolicy().Decide({&query, 1}, {&decision, 1});
  EXPECT_LE(decision, 1);
  return decision != 0;
}

TEST(ExitPolicyTest, LeavesFromTheThresholdOn) {
  EXPECT_TRUE(Leaves(Softmax(0.8F), 4, 0, 0.8F));
  EXPECT_FALSE(Leaves(Softmax(0.8F), 4, 0, 0.7999F));
  EXPECT_FALSE(Leaves(Softmax(0.8F), 4, 0, NAN));
}

TEST(ExitPolicyTest, AThresholdOfOneIsOffWhateverTheSignalAndTheDecay) {
  ExitSetting setting = Softmax(1.0F);
  EXPECT_FALSE(Leaves(setting, 4, 0, 1.0F));
  setting.decay = ExitDecay{4.0F, 8};
  EXPECT_FALSE(Leaves(setting, 4, 1000, 1.0F));  // decayed: .9
  setting = Softmax(0.5F);
  setting.mode = ExitMode::kOff;
  EXPECT_FALSE(Leaves(setting, 4, 0, 1.0F));
}

TEST(ExitPolicyTest, NoExitBeforeTheMinimumLayer) {
  ExitSetting setting = Softmax(0.1F);
  setting.min_layer = 6;
  EXPECT_FALSE(Leaves(setting, 5, 0, 1.0F));
  EXPECT_TRUE(Leaves(setting, 6, 0, 1.0F));
}

// calm.md, 1: lambda_t = clip(0.9 lambda + 0.1 exp(-tau t / N)).
TEST(ExitPolicyTest, TheThresholdDecays) {
  ExitSetting setting = Softmax(0.8F);
  EXPECT_EQ(ThresholdAt(setting, 0), 0.8F);
  EXPECT_EQ(ThresholdAt(setting, 500), 0.8F);
  setting.decay = ExitDecay{4.0F, 256};
  EXPECT_NEAR(ThresholdAt(setting, 0), 0.82, 1e-6);
  EXPECT_NEAR(ThresholdAt(setting, 64), 0.72 + 0.1 * std::exp(-1.0), 1e-6);
  EXPECT_NEAR(ThresholdAt(setting, 256000), 0.72, 1e-6);
  setting.decay->tau = 0.0F;  // a flat 0.9 lambda + 0.1
  EXPECT_NEAR(ThresholdAt(setting, 99), 0.82, 1e-6);
}

TEST(ExitPolicyTest, ForcedExitsFollowTheirDistributionAndTheirSeed) {
  ExitSetting setting;
  setting.mode = ExitMode::kPropagate;
  setting.measure = ExitMeasure::kForced;
  setting.forced = {{4, 0.5F}, {8, 0.25F}};
  std::map<int, int> drawn;
  constexpr int kDraws = 8000;
  for (uint32_t p = 0; p < kDraws; ++p) {
    const int layer = ForcedLayer(setting, 3, 0, p);
    EXPECT_EQ(layer, ForcedLayer(setting, 3, 0, p));
    ++drawn[layer];
    EXPECT_EQ(Leaves(setting, 4, 0, 0, p), ForcedLayer(setting, 1, 0, p) == 4);
  }
  // Five standard deviations of a binomial share.
  EXPECT_NEAR(drawn[4], kDraws * 0.5, 5 * std::sqrt(kDraws * 0.25));
  EXPECT_NEAR(drawn[8], kDraws * 0.25, 5 * std::sqrt(kDraws * 0.1875));
  EXPECT_EQ(drawn[4] + drawn[8] + drawn[INT_MAX], kDraws);
}

}  // namespace
}  // namespace exeunt
