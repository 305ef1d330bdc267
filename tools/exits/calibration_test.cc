#include "tools/exits/calibration.h"

#include <gtest/gtest.h>

#include <random>

namespace exeunt::tools {
namespace {

ExitSetting Preview(float threshold) {
  return {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kPreview, .threshold = threshold};
}

const std::vector<ExitSetting> kSettings = {{}, Preview(0.9F), Preview(0.5F)};

TokenCost Costs() {
  ModelConfig model;
  model.n_layers = 30;
  model.d_model = model.head_dim = 8;
  model.n_heads = model.n_kv_heads = 1;
  model.d_ff = 16;
  model.vocab_size = 100;
  return {model, {.preview = PreviewInfo{.rank = 1, .groups = 1}}, {10, 20}};
}

TEST(CalibrationTest, TextualIsAgainstOffAndRiskAgainstTheReferenceLessWhatOffLoses) {
  const std::vector<PromptLine> lines = {{"p", "a b c d"}, {"q", "x y"}};
  const SweptAnswers answers = {
      {{true, "a b c X"}, {true, "x y"}},
      {{true, "a b c d"}, {true, "x z"}},
      {{true, "q q q q"}, {true, "x y"}},
  };
  const LossTable textual =
      TextLosses(certify::TextLoss::kWordErrorRate, certify::Consistency::kTextual, lines, answers);
  EXPECT_EQ(TestedLosses(certify::Consistency::kTextual, textual), textual);
  EXPECT_EQ(textual, (LossTable{{0, 0}, {0.25, 0.5}, {1, 0}}));
  const LossTable risk =
      TextLosses(certify::TextLoss::kWordErrorRate, certify::Consistency::kRisk, lines, answers);
  EXPECT_EQ(risk, (LossTable{{0.25, 0}, {0, 0.5}, {1, 0}}));
  EXPECT_EQ(TestedLosses(certify::Consistency::kRisk, risk), (LossTable{{0, 0}, {-0.25, 0.5}, {0.75, 0}}));
}

TEST(CalibrationTest, AProfileIsTheSharesOfTokensByExit) {
  const auto profile = ProfileOf({{true, "", {{10, 2}, {30, 1}}}, {true, "", {{20, 3}, {30, 2}}}}, 30);
  ASSERT_EQ(profile.size(), 2U);
  EXPECT_EQ(profile[0].layer, 10);
  EXPECT_EQ(profile[0].probability, 0.25F);
  EXPECT_EQ(profile[1].layer, 20);
  EXPECT_EQ(profile[1].probability, 0.375F);
  EXPECT_TRUE(ProfileOf({}, 30).empty());
}

struct Sample {
  SweptAnswers answers;
  LossTable tested;
};

// Settings that leave after 20 and 10 of 30 layers, and whose losses are 0 or 1 with these means.
Sample Draw(size_t n, double first, double second) {
  std::mt19937_64 rng(5);
  Sample sample{{}, {std::vector<double>(n, 0.0), {}, {}}};
  for (const int layers : {30, 20, 10}) {
    sample.answers.emplace_back(n, SweptAnswer{true, "", {{layers, 10}}});
  }
  for (const double mean : {first, second}) {
    std::bernoulli_distribution draw(mean);
    auto& row = sample.tested[mean == first ? 1 : 2];
    for (size_t i = 0; i < n; ++i) row.push_back(draw(rng) ? 1.0 : 0.0);
  }
  return sample;
}

CalibrationOutcome Tested(certify::Bound bound, const Sample& sample,
                          const std::vector<size_t>& order = {1, 2}) {
  const TokenCost cost = Costs();
  return Calibrate(bound, {.delta = 0.1}, {kSettings, sample.answers, sample.tested, cost}, order).value();
}

TEST(CalibrationTest, WhatPassesBeforeTheFirstFailureIsCertified) {
  for (const certify::Bound bound :
       {certify::Bound::kBinomial, certify::Bound::kHoeffdingBentkus, certify::Bound::kWsr}) {
    const CalibrationOutcome both = Tested(bound, Draw(2000, 0.02, 0.05));
    EXPECT_EQ(both.certified, 2U) << certify::BoundName(bound);
    EXPECT_EQ(both.figures[1].setting, 2U);
    EXPECT_DOUBLE_EQ(both.figures[1].mean_layers, 10.0);
    EXPECT_GT(both.figures[1].mean_cost, 10.0);
    EXPECT_EQ(Tested(bound, Draw(2000, 0.02, 0.2)).certified, 1U);
    const Sample bad = Draw(2000, 0.2, 0.01);
    EXPECT_EQ(Tested(bound, bad).certified, 0U) << "the second would pass, and is not reached";
    const CalibrationOutcome turned = Tested(bound, bad, {2, 1});
    EXPECT_EQ(turned.certified, 1U);
    EXPECT_EQ(turned.figures[0].setting, 2U);
  }
}

// 1000 draws of prompts in which the second setting loses just over delta .1: that it comes into the family
// is an error, and has a chance of at most epsilon.
TEST(CalibrationTest, AFamilyIsWrongNoMoreOftenThanEpsilon) {
  std::mt19937_64 rng(11);
  const TokenCost cost = Costs();
  int wrong = 0;
  for (int draw = 0; draw < 1000; ++draw) {
    Sample sample = Draw(150, 0, 1);
    for (const size_t s : {size_t{1}, size_t{2}}) {
      std::bernoulli_distribution loses(s == 1 ? 0.06 : 0.1001);
      for (double& x : sample.tested[s]) x = loses(rng) ? 1.0 : 0.0;
    }
    const auto outcome = Calibrate(certify::Bound::kBinomial, {.delta = 0.1},
                                   {kSettings, sample.answers, sample.tested, cost}, {1, 2});
    wrong += outcome->certified == 2 ? 1 : 0;
  }
  EXPECT_LE(wrong, 73);  // the .999 quantile of Binomial(1000, .05)
  EXPECT_GT(wrong, 0);
}

TEST(CalibrationTest, DevelopmentOrderIsTheFrontFromTheLeastLoss) {
  // By setting: loses .2 at 10 layers; .1 at 20; .15 at 20, which the one before beats; 0 at 30.
  const std::vector<ExitSetting> settings = {{}, Preview(0.1F), Preview(0.2F), Preview(0.3F), Preview(0.4F)};
  SweptAnswers answers;
  for (const int layers : {30, 10, 20, 20, 30}) answers.push_back({SweptAnswer{true, "", {{layers, 10}}}});
  const LossTable tested = {{0}, {0.2}, {0.1}, {0.15}, {0}};
  const TokenCost cost = Costs();
  EXPECT_EQ(DevelopmentOrder({settings, answers, tested, cost}), (std::vector<size_t>{4, 2, 1}));
}

TEST(CalibrationTest, TooFewPromptsAndLossesThatABoundDoesNotTakeAreRefused) {
  const Status few = EnoughPrompts(certify::Bound::kBinomial, {.delta = 0.05}, 58);
  ASSERT_FALSE(few.has_value());
  EXPECT_NE(few.error().message.find("it takes 59"), std::string::npos) << few.error().message;
  EXPECT_TRUE(EnoughPrompts(certify::Bound::kBinomial, {.delta = 0.05}, 59).has_value());
  Sample graded = Draw(200, 0.01, 0.02);
  const TokenCost cost = Costs();
  const CalibrationData data{kSettings, graded.answers, graded.tested, cost};
  graded.tested[1][7] = 0.5;
  EXPECT_NE(Calibrate(certify::Bound::kBinomial, {}, data, {1, 2})
                .error()
                .message.find("losses of 0 or 1, not 0.5"),
            std::string::npos);
  graded.tested[1][7] = 1.5;
  EXPECT_NE(Calibrate(certify::Bound::kWsr, {}, data, {1, 2}).error().message.find("1.5 is outside [-1, 1]"),
            std::string::npos);
}

}  // namespace
}  // namespace exeunt::tools
