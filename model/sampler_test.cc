#include "model/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace exeunt {
namespace {

const cpu::Ops& ops() { return cpu::OpsFor(cpu::DefaultIsa()); }

SampledToken Draw(const std::vector<float>& logits, const SamplingParams& params, uint32_t position = 0) {
  const int n = static_cast<int>(logits.size());
  return Sample(ops(), logits.data(), n, ops().vocab_stats(logits.data(), 0, n), params, position);
}

// Probabilities .4, .3, .2, .1 for ids 2, 0, 3, 1.
const std::vector<float> kLogits = {std::log(0.3F), std::log(0.1F), std::log(0.4F), std::log(0.2F)};

std::map<int32_t, double> Shares(const SamplingParams& params) {
  std::map<int32_t, double> shares;
  constexpr uint32_t kDraws = 20000;
  for (uint32_t p = 0; p < kDraws; ++p) shares[Draw(kLogits, params, p).token] += 1.0 / kDraws;
  return shares;
}

constexpr double kTolerance = 0.02;  // over five standard deviations of a share of 20 000 draws

TEST(SamplerTest, GreedyTakesTheLargestAndTheLowestIdOnATie) {
  EXPECT_EQ(Draw(kLogits, {.temperature = 0.0F}).token, 2);
  EXPECT_EQ(Draw({1.0F, 5.0F, 5.0F}, {.temperature = 0.0F}).token, 1);
  EXPECT_EQ(Draw(kLogits, {.top_k = 1, .seed = 9}).token, 2);
}

TEST(SamplerTest, SharesFollowTheDistributionAtAnyTemperature) {
  auto shares = Shares({.seed = 1});
  EXPECT_NEAR(shares[2], 0.4, kTolerance);
  EXPECT_NEAR(shares[1], 0.1, kTolerance);
  shares = Shares({.temperature = 0.5F, .seed = 1});  // squares: 16 : 9 : 4 : 1
  EXPECT_NEAR(shares[2], 16.0 / 30, kTolerance);
  EXPECT_NEAR(shares[1], 1.0 / 30, kTolerance);
}

TEST(SamplerTest, CutsKeepTheLikeliest) {
  auto shares = Shares({.top_k = 2, .seed = 2});
  EXPECT_EQ(shares.size(), 2U);
  EXPECT_NEAR(shares[2], 4.0 / 7, kTolerance);
  shares = Shares({.top_p = 0.65F, .seed = 2});  // .4 + .3 reach it
  EXPECT_EQ(shares.size(), 2U);
  shares = Shares({.top_p = 0.75F, .seed = 2});
  EXPECT_EQ(shares.size(), 3U);
  shares = Shares({.min_p = 0.45F, .seed = 2});  // .45 * .4 = .18: id 1 is cut
  EXPECT_EQ(shares.size(), 3U);
  EXPECT_FALSE(shares.contains(1));
  EXPECT_EQ(Shares({.top_p = 0.01F, .seed = 3}).size(), 1U);
}

TEST(SamplerTest, ADrawIsAFunctionOfSeedChoiceAndPosition) {
  int different = 0;
  for (uint32_t p = 0; p < 200; ++p) {
    const SamplingParams params{.seed = 5, .choice = 1};
    EXPECT_EQ(Draw(kLogits, params, p).token, Draw(kLogits, params, p).token);
    different += Draw(kLogits, params, p).token != Draw(kLogits, {.seed = 5, .choice = 2}, p).token;
    different += Draw(kLogits, params, p).token != Draw(kLogits, {.seed = 6, .choice = 1}, p).token;
  }
  EXPECT_GT(different, 100);
}

TEST(SamplerTest, LogprobsAreTheModelsOwn) {
  const SampledToken t = Draw(kLogits, {.temperature = 0.0F, .n_logprobs = 2});
  EXPECT_NEAR(t.logprob, std::log(0.4), 1e-6);
  ASSERT_EQ(t.top.size(), 2U);
  EXPECT_EQ(t.top[1].first, 0);
  EXPECT_NEAR(t.top[1].second, std::log(0.3), 1e-6);
  EXPECT_TRUE(Draw(kLogits, {.temperature = 0.0F, .n_logprobs = 0}).top.empty());
}

}  // namespace
}  // namespace exeunt
