#include "tools/calibration.h"

#include <gtest/gtest.h>

#include <random>

namespace exeunt {
namespace {

const std::vector<Candidate> kCandidates = {{}, {false, 0.9F}, {false, 0.5F}};

TEST(CalibrationTest, TextualIsAgainstOffAndRiskAgainstTheReferenceLessWhatOffLoses) {
  const std::vector<PromptLine> lines = {{"p", "a b c d"}, {"q", "x y"}};
  const std::vector<std::vector<SweptAnswer>> answers = {
      {{true, 4, 120, "a b c X"}, {true, 2, 60, "x y"}},
      {{true, 4, 80, "a b c d"}, {true, 2, 40, "x z"}},
      {{true, 4, 40, "q q q q"}, {true, 2, 20, "x y"}},
  };
  const LossTable textual = TextLosses(TextLoss::kWordErrorRate, Consistency::kTextual, lines, answers);
  EXPECT_EQ(TestedLosses(Consistency::kTextual, textual), textual);
  EXPECT_EQ(textual, (LossTable{{0, 0}, {0.25, 0.5}, {1, 0}}));
  const LossTable risk = TextLosses(TextLoss::kWordErrorRate, Consistency::kRisk, lines, answers);
  EXPECT_EQ(risk, (LossTable{{0.25, 0}, {0, 0.5}, {1, 0}}));
  EXPECT_EQ(TestedLosses(Consistency::kRisk, risk), (LossTable{{0, 0}, {-0.25, 0.5}, {0.75, 0}}));
}

struct Sample {
  std::vector<std::vector<SweptAnswer>> answers;
  LossTable tested;
};

// Two candidates whose losses are 0 or 1 with these means; 20 and 10 of 30 layers.
Sample Draw(size_t n, double first, double second) {
  std::mt19937_64 rng(5);
  Sample sample{
      {std::vector<SweptAnswer>(n, {true, 10, 300, ""}), std::vector<SweptAnswer>(n, {true, 10, 200, ""}),
       std::vector<SweptAnswer>(n, {true, 10, 100, ""})},
      {std::vector<double>(n, 0.0), {}, {}}};
  for (const double mean : {first, second}) {
    std::bernoulli_distribution draw(mean);
    auto& row = sample.tested[mean == first ? 1 : 2];
    for (size_t i = 0; i < n; ++i) row.push_back(draw(rng) ? 1.0 : 0.0);
  }
  return sample;
}

TEST(CalibrationTest, TheLastThresholdBeforeTheFirstFailureIsChosen) {
  for (const Bound bound : {Bound::kBinomial, Bound::kHoeffdingBentkus, Bound::kWsr}) {
    const Sample good = Draw(2000, 0.02, 0.05);
    const auto both = Calibrate(bound, {.delta = 0.1}, kCandidates, good.answers, good.tested);
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(both->chosen, 1U) << BoundName(bound);
    EXPECT_EQ(both->candidates[1].name, "0.5");
    EXPECT_DOUBLE_EQ(both->candidates[1].mean_layers, 10.0);
    const Sample late = Draw(2000, 0.02, 0.2);
    EXPECT_EQ(Calibrate(bound, {.delta = 0.1}, kCandidates, late.answers, late.tested)->chosen, 0U);
    const Sample bad = Draw(2000, 0.2, 0.01);  // the second would pass, and is not reached
    EXPECT_EQ(Calibrate(bound, {.delta = 0.1}, kCandidates, bad.answers, bad.tested)->chosen, std::nullopt);
  }
}

TEST(CalibrationTest, TooFewPromptsAndLossesThatABoundDoesNotTakeAreRefused) {
  const Sample few = Draw(40, 0.01, 0.02);
  const auto refused = Calibrate(Bound::kBinomial, {.delta = 0.05}, kCandidates, few.answers, few.tested);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("it takes 59"), std::string::npos) << refused.error().message;
  Sample graded = Draw(200, 0.01, 0.02);
  graded.tested[1][7] = 0.5;
  EXPECT_NE(Calibrate(Bound::kBinomial, {}, kCandidates, graded.answers, graded.tested)
                .error()
                .message.find("losses of 0 or 1, not 0.5"),
            std::string::npos);
  graded.tested[1][7] = 1.5;
  EXPECT_NE(Calibrate(Bound::kWsr, {}, kCandidates, graded.answers, graded.tested)
                .error()
                .message.find("1.5 is outside [-1, 1]"),
            std::string::npos);
}

}  // namespace
}  // namespace exeunt
