// The arithmetic of OpenAI's and vLLM's formulas, on rows whose results are exact.
#include "backend/cpu/logit_adjustment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "backend/cpu/sampler.h"

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

// The last token of a sequence is banned where its others end the answer, the prompt not counted (vLLM).
TEST(LogitAdjustment, BadWordsBanTheirLastTokenBehindTheirOthers) {
  const auto banned = [](std::vector<std::vector<int32_t>> words) {
    const auto row = Adjusted({.logit_bias = {{3, 100.0F}}, .bad_words = std::move(words)});
    std::vector<int> tokens;
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i] < -1e29F) tokens.push_back(static_cast<int>(i));
    }
    return tokens;
  };
  EXPECT_THAT(banned({{3}}), ElementsAre(3)) << "whatever its bias";
  EXPECT_THAT(banned({{2, 2, 3}, {1, 2, 2, 0}}), ElementsAre(0, 3));
  EXPECT_THAT(banned({{2, 1, 2, 2, 4}}), ElementsAre(4)) << "all of the answer";
  EXPECT_THAT(banned({{1, 2, 1, 2, 2, 4}, {1, 3}, {2, 1, 3}}), ElementsAre()) << "longer, or not at its end";
  EXPECT_THAT(banned({{2, 5}, {2, -1}}), ElementsAre()) << "outside the row";
  EXPECT_THAT(banned({{1, 2, 2, 1}, {2, 4}}), ElementsAre(1, 4));
}

TEST(LogitAdjustment, OnlyAllowedTokensKeepTheirLogits) {
  for (const std::vector<int32_t>& allowed :
       {std::vector<int32_t>{0}, {4}, {1, 3}, {0, 1, 2, 3, 4}, {2, 3, 7, 1 << 30}}) {
    const auto row = Adjusted({.allowed_tokens = allowed});
    for (int i = 0; i < 5; ++i) {
      const bool kept = std::find(allowed.begin(), allowed.end(), i) != allowed.end();
      EXPECT_EQ(row[static_cast<size_t>(i)], kept ? kRow[static_cast<size_t>(i)] : -1e35F) << i;
    }
  }
  EXPECT_THAT(Adjusted({.frequency_penalty = 0.5F, .logit_bias = {{2, 1.0F}}, .allowed_tokens = {2, 4}}),
              ElementsAre(-1e35F, -1e35F, 2.5F, -1e35F, 5.0F));
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

// min_tokens bans the end token 4, a bad word 3: with no other allowed, one of the allowed ones is drawn.
TEST(LogitAdjustment, WhereAllAllowedTokensAreBannedOneOfThemIsDrawn) {
  for (const float temperature : {0.0F, 1e-30F, 1.0F, 2.0F}) {
    for (const int top_k : {0, 1, 3, 5}) {
      for (const float top_p : {1.0F, 0.5F, 1e-30F}) {
        for (const float min_p : {0.0F, 0.5F}) {
          std::set<int32_t> drawn;
          for (uint64_t seed = 0; seed < 50; ++seed) {
            const SampledToken sampled = Draw({.temperature = temperature,
                                               .top_p = top_p,
                                               .top_k = top_k,
                                               .min_p = min_p,
                                               .seed = seed,
                                               .n_logprobs = 2,
                                               .min_tokens = 9,
                                               .allowed_tokens = {3, 4},
                                               .bad_words = {{2, 3}}});
            EXPECT_TRUE(std::isfinite(sampled.logprob));
            drawn.insert(sampled.token);
          }
          EXPECT_TRUE(drawn.count(3) + drawn.count(4) == drawn.size()) << temperature << ' ' << top_k;
        }
      }
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
