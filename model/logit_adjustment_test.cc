// The arithmetic of OpenAI's and vLLM's formulas, on rows whose results are exact.
#include "model/logit_adjustment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/sampler.h"

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::FloatEq;

const std::vector<int32_t> kPrompt = {0, 1, 1};
const std::vector<int32_t> kAnswer = {2, 1, 2, 2};
const std::vector<int32_t> kEnds = {4};
const TokenHistory kHistory{kPrompt, kAnswer, kEnds};
const std::vector<float> kRow = {1.0F, -2.0F, 3.0F, 4.0F, 5.0F};

std::vector<float> Adjusted(const SamplingParams& params, const TokenHistory& history = kHistory) {
  std::vector<float> row = kRow;
  EXPECT_TRUE(params.AdjustsLogits());
  AdjustLogits(params, history, static_cast<int>(row.size()), row.data());
  return row;
}

// mu[j] - c[j] * alpha_frequency - (c[j] > 0) * alpha_presence; c counts what was sampled, not the prompt.
TEST(LogitAdjustment, FrequencyAndPresenceCountTheAnswerAlone) {
  EXPECT_THAT(Adjusted({.frequency_penalty = 0.5F}), ElementsAre(1.0F, -2.5F, 1.5F, 4.0F, 5.0F));
  EXPECT_THAT(Adjusted({.presence_penalty = 0.25F}), ElementsAre(1.0F, -2.25F, 2.75F, 4.0F, 5.0F));
  EXPECT_THAT(Adjusted({.frequency_penalty = -2.0F, .presence_penalty = 1.0F}),
              ElementsAre(1.0F, -1.0F, 8.0F, 4.0F, 5.0F));
}

TEST(LogitAdjustment, RepetitionDividesWhatIsPositiveAndMultipliesWhatIsNotOfPromptAndAnswer) {
  EXPECT_THAT(Adjusted({.repetition_penalty = 2.0F}), ElementsAre(0.5F, -4.0F, 1.5F, 4.0F, 5.0F));
  EXPECT_THAT(Adjusted({.frequency_penalty = 1.0F, .repetition_penalty = 0.5F}),
              ElementsAre(2.0F, -2.0F, 3.0F, 4.0F, 5.0F));
}

TEST(LogitAdjustment, BiasesComeBeforePenalties) {
  EXPECT_THAT(Adjusted({.logit_bias = {{1, 4.0F}, {3, -100.0F}}}),
              ElementsAre(1.0F, 2.0F, 3.0F, -96.0F, 5.0F));
  EXPECT_THAT(Adjusted({.repetition_penalty = 2.0F, .logit_bias = {{1, 4.0F}}}),
              ElementsAre(0.5F, 1.0F, 1.5F, 4.0F, 5.0F));
}

TEST(LogitAdjustment, EndTokensAreBannedUntilThereAreMinTokensWhateverTheirBias) {
  const auto before = Adjusted({.min_tokens = 5, .logit_bias = {{4, 100.0F}}});
  EXPECT_LT(before[4], -1e29F);
  EXPECT_FLOAT_EQ(before[3], 4.0F);
  EXPECT_THAT(Adjusted({.min_tokens = 4}), ElementsAre(1.0F, -2.0F, 3.0F, 4.0F, 5.0F));
}

TEST(LogitAdjustment, TokensOutsideTheRowChangeNothing) {
  const std::vector<int32_t> outside = {-1, 5, 1 << 30};
  const TokenHistory history{outside, outside, outside};
  EXPECT_EQ(Adjusted({.frequency_penalty = 1.0F,
                      .repetition_penalty = 2.0F,
                      .min_tokens = 9,
                      .logit_bias = {{5, 1.0F}, {-1, 1.0F}}},
                     history),
            kRow);
}

SampledToken Draw(const SamplingParams& params) {
  const cpu::Ops& ops = cpu::OpsFor(cpu::DefaultIsa());
  const int n = static_cast<int>(kRow.size());
  return Sample(ops, kRow.data(), n, ops.vocab_stats(kRow.data(), 0, n), params, 0, kHistory);
}

// Greedy, sampled and cut draws see the adjusted row; log-probabilities are the model's own.
TEST(LogitAdjustment, TheSamplerDrawsFromTheAdjustedRowAndReportsTheModelsProbabilities) {
  const SamplingParams plain{.temperature = 0.0F, .n_logprobs = 2};
  EXPECT_EQ(Draw(plain).token, 4);
  for (const float temperature : {0.0F, 1.0F}) {
    for (const int top_k : {0, 2}) {
      SamplingParams banned = plain;
      banned.temperature = temperature;
      banned.top_k = top_k;
      banned.logit_bias = {{1, 100.0F}};
      const SampledToken drawn = Draw(banned);
      EXPECT_EQ(drawn.token, 1);
      EXPECT_FLOAT_EQ(drawn.logprob, Draw(plain).logprob - 7.0F);
      EXPECT_EQ(drawn.top, Draw(plain).top);
    }
  }
}

TEST(LogitAdjustment, ARowOfBannedTokensAloneStillGivesOne) {
  const std::vector<int32_t> all = {0, 1, 2, 3, 4};
  const cpu::Ops& ops = cpu::OpsFor(cpu::DefaultIsa());
  const SampledToken drawn = Sample(ops, kRow.data(), 5, ops.vocab_stats(kRow.data(), 0, 5),
                                    {.seed = 1, .min_tokens = 1}, 0, {{}, {}, all});
  EXPECT_GE(drawn.token, 0);
  EXPECT_LT(drawn.token, 5);
}

}  // namespace
}  // namespace exeunt
