#include "certify/bounds.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <random>
#include <sstream>
#include <string>

namespace exeunt::certify {
namespace {

std::vector<double> Numbers(const boost::json::value& list) {
  std::vector<double> numbers;
  for (const auto& v : list.as_array()) numbers.push_back(v.to_number<double>());
  return numbers;
}

// testdata/bounds.json: scipy's binomial distribution, and the formulas written down once more
// (make_bound_goldens.py).
TEST(BoundsTest, EqualToIndependentImplementations) {
  std::ifstream in(std::string(EXEUNT_SOURCE_DIR) + "/certify/testdata/bounds.json");
  std::stringstream text;
  text << in.rdbuf();
  int cases = 0;
  const boost::json::value goldens = boost::json::parse(text.str());
  for (const auto& golden : goldens.as_array()) {
    const BoundOptions options{golden.at("delta").to_number<double>(),
                               golden.at("epsilon").to_number<double>(),
                               golden.at("seed").to_number<uint64_t>()};
    const auto binary = Numbers(golden.at("binary"));
    const auto graded = Numbers(golden.at("graded"));
    const auto near = [&](Bound bound, const std::vector<double>& losses, const char* key) {
      const double want = golden.at(key).to_number<double>();
      EXPECT_NEAR(PValue(bound, losses, options), want, 1e-9 * (1 + want)) << key << " of case " << cases;
    };
    near(Bound::kBinomial, binary, "binomial");
    near(Bound::kHoeffdingBentkus, binary, "hoeffding_bentkus_binary");
    near(Bound::kHoeffdingBentkus, graded, "hoeffding_bentkus_graded");
    near(Bound::kWsr, binary, "wsr_binary");
    near(Bound::kWsr, graded, "wsr_graded");
    ++cases;
  }
  EXPECT_EQ(cases, 5);
}

// Losses whose mean is exactly delta.
using Draw = std::vector<double> (*)(size_t n, double delta, std::mt19937_64* rng);

std::vector<double> Bernoulli(size_t n, double delta, std::mt19937_64* rng) {
  std::bernoulli_distribution draw(delta);
  std::vector<double> losses;
  for (size_t i = 0; i < n; ++i) losses.push_back(draw(*rng) ? 1.0 : 0.0);
  return losses;
}

std::vector<double> Uniform(size_t n, double delta, std::mt19937_64* rng) {
  std::uniform_real_distribution<double> draw(0, 2 * delta);
  std::vector<double> losses;
  for (size_t i = 0; i < n; ++i) losses.push_back(draw(*rng));
  return losses;
}

std::vector<double> Signed(size_t n, double delta, std::mt19937_64* rng) {
  std::uniform_real_distribution<double> draw(delta - 0.4, delta + 0.4);
  std::vector<double> losses;
  for (size_t i = 0; i < n; ++i) losses.push_back(draw(*rng));
  return losses;
}

int Rejections(Bound bound, Draw draw, size_t n, double delta, double mean) {
  std::mt19937_64 rng(17);
  int rejected = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const auto losses = draw(n, mean, &rng);
    rejected += PValue(bound, losses, {delta, 0.05, i}) <= 0.05 ? 1 : 0;
  }
  return rejected;
}

// 73 is the .999 quantile of Binomial(1000, .05).
TEST(BoundsTest, AtAnExactNullAtMostOneInTwentyIsRejected) {
  for (const size_t n : {100U, 1000U}) {
    for (const double delta : {0.05, 0.25}) {
      EXPECT_LE(Rejections(Bound::kBinomial, Bernoulli, n, delta, delta), 73);
      for (const Bound bound : {Bound::kHoeffdingBentkus, Bound::kWsr}) {
        EXPECT_LE(Rejections(bound, Bernoulli, n, delta, delta), 73) << BoundName(bound);
        EXPECT_LE(Rejections(bound, Uniform, n, delta, delta), 73) << BoundName(bound);
        EXPECT_LE(Rejections(bound, Signed, n, delta, delta), 73) << BoundName(bound);
      }
    }
  }
  EXPECT_GT(Rejections(Bound::kWsr, Signed, 1000, 0.05, 0.05), 5);  // not by never rejecting
  EXPECT_GT(Rejections(Bound::kBinomial, Bernoulli, 1000, 0.05, 0.05), 5);
}

// calm.md, 3: with a standard deviation of .2, n = 1000 certifies a true excess of .03 at delta .05 in 83 to
// 88 % of draws. Signed's is .8 / sqrt(12) = .23.
TEST(BoundsTest, WsrHasThePowerThatItIsTakenFor) {
  EXPECT_GT(Rejections(Bound::kWsr, Signed, 1000, 0.05, 0.03), 700);
  EXPECT_GT(Rejections(Bound::kWsr, Signed, 3000, 0.05, 0.03), 980);
  EXPECT_GT(Rejections(Bound::kWsr, Signed, 1000, 0.05, 0.03),
            Rejections(Bound::kHoeffdingBentkus, Signed, 1000, 0.05, 0.03));
}

// ln(1/epsilon) / -ln(1 - delta), rounded up; the bet is held below all of its capital, so it needs a little
// more.
TEST(BoundsTest, SmallestSampleCountIsWhereZeroLossesSuffice) {
  const double deltas[] = {0.05, 0.02, 0.01};
  const size_t wanted[] = {59, 149, 299};
  for (size_t i = 0; i < 3; ++i) {
    const BoundOptions options{deltas[i], 0.05, 1};
    EXPECT_EQ(SmallestSampleCount(Bound::kBinomial, options), wanted[i]);
    EXPECT_EQ(SmallestSampleCount(Bound::kHoeffdingBentkus, options), wanted[i]);
    const size_t bet = SmallestSampleCount(Bound::kWsr, options);
    EXPECT_GT(bet, wanted[i]);
    EXPECT_LT(bet, wanted[i] * 5 / 4);
    EXPECT_LE(PValue(Bound::kWsr, std::vector<double>(bet, 0.0), options), 0.05);
    EXPECT_GT(PValue(Bound::kWsr, std::vector<double>(bet - 1, 0.0), options), 0.05);
  }
}

// Above the mean, certified itself, and nothing much below it is.
TEST(BoundsTest, UpperBoundIsTheLeastDeltaThatIsCertified) {
  std::mt19937_64 rng(23);
  const auto losses = Bernoulli(1000, 0.1, &rng);
  for (const Bound bound : {Bound::kHoeffdingBentkus, Bound::kBinomial, Bound::kWsr}) {
    const double upper = UpperBound(bound, losses, {});
    EXPECT_GT(upper, 0.1);
    EXPECT_LT(upper, 0.14);
    EXPECT_LE(PValue(bound, losses, {.delta = upper}), 0.05);
    EXPECT_GT(PValue(bound, losses, {.delta = upper - 0.001}), 0.05) << BoundName(bound);
  }
}

TEST(BoundsTest, FixedSequenceStopsAtTheFirstFailure) {
  EXPECT_EQ(FixedSequence(std::vector<double>{0.01, 0.05, 0.06, 0.001}, 0.05), 1U);
  EXPECT_EQ(FixedSequence(std::vector<double>{0.2, 0.001}, 0.05), std::nullopt);
  EXPECT_EQ(FixedSequence(std::vector<double>{std::nan(""), 0.001}, 0.05), std::nullopt);
  EXPECT_EQ(FixedSequence({}, 0.05), std::nullopt);
}

TEST(BoundsTest, ParetoOrderIsTheFrontFromTheLeastLoss) {
  const std::vector<SettingPoint> points = {{10, 0.5}, {30, 0.0},  {20, 0.2},
                                            {25, 0.3}, {20, 0.25}, {10, 0.5}};
  EXPECT_EQ(ParetoOrder(points), (std::vector<size_t>{1, 2, 0}));
}

}  // namespace
}  // namespace exeunt::certify
