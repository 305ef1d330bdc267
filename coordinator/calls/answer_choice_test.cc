// Echoed prompts, and the best of several answers.
#include "coordinator/calls/answer_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/testing/fake_tokenizer.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;

PromptScore Score(uint32_t position, float logprob) {
  PromptScore score;
  score.position = position;
  score.logprob = logprob;
  score.top = {{.token = 'z'}};
  return score;
}

TEST(PromptEcho, TextIsRepeatedAsItIsAndTokensDecoded) {
  const auto tokenizer = MakeFakeTokenizer();
  PromptEcho given(tokenizer, std::string("h\xC3\xA9"), {'h', 0xC3, 0xA9}, false);
  EXPECT_TRUE(given.complete());
  EXPECT_EQ(given.score_from(), 0U);
  EXPECT_EQ(given.text(), "h\xC3\xA9");
  PromptEcho tokens(tokenizer, std::vector<int32_t>{kFakeBegin, 'a'}, {kFakeBegin, 'a'}, false);
  EXPECT_EQ(tokens.text(), "<|begin|>a");
  ChoiceBody body{.text = " answer"};
  tokens.MoveTo(&body);
  EXPECT_EQ(body.text, "<|begin|>a answer");
  EXPECT_TRUE(body.logprobs.empty());
}

TEST(PromptEcho, WaitsForEveryScoreWhateverTheirOrder) {
  PromptEcho echo(MakeFakeTokenizer(), std::string("h\xC3\xA9x"), {'h', 0xC3, 0xA9, 'x'}, true);
  EXPECT_EQ(echo.score_from(), 1U);
  for (const uint32_t position : {3U, 1U, 1U, 9U}) {
    echo.Add(Score(position, -static_cast<float>(position)));
    EXPECT_FALSE(echo.complete());
  }
  echo.Add(Score(2, -2.0F));
  ASSERT_TRUE(echo.complete());
  ChoiceBody body;
  echo.MoveTo(&body);
  ASSERT_EQ(body.logprobs.size(), 4U);
  EXPECT_FALSE(body.logprobs[0].logprob.has_value()) << "nothing comes before the first";
  EXPECT_EQ(body.logprobs[1].logprob, -1.0F);
  EXPECT_EQ(body.logprobs[3].piece, "x");
  EXPECT_EQ(body.logprobs[3].top.at(0).first, "z");
  std::vector<size_t> offsets;
  for (const TokenLogprob& token : body.logprobs) offsets.push_back(token.text_offset);
  EXPECT_THAT(offsets, ElementsAre(0U, 1U, 1U, 2U));
}

TEST(PromptEcho, APromptOfOneTokenHasNoScores) {
  const PromptEcho echo(MakeFakeTokenizer(), std::string("a"), {'a'}, true);
  EXPECT_EQ(echo.score_from(), 0U);
  EXPECT_TRUE(echo.complete());
}

TEST(PromptEcho, ABosThatWasPutBeforeTheTextTakesNoneOfIt) {
  PromptEcho echo(MakeFakeTokenizer(), std::string("ab"), {kFakeBegin, 'a', 'b'}, true);
  EXPECT_EQ(echo.text(), "ab");
  for (const uint32_t position : {1U, 2U}) echo.Add(Score(position, -1.0F));
  ChoiceBody body;
  echo.MoveTo(&body);
  EXPECT_EQ(body.logprobs[0].text_offset, 0U);
  EXPECT_EQ(body.logprobs[1].text_offset, 0U);
  EXPECT_EQ(body.logprobs[2].text_offset, 1U);
}

// Answers "a", "b", ... of one token each, with these log-probabilities.
std::vector<AnswerChoice> Answers(const GenerationRequest& request, const std::vector<float>& logprobs) {
  std::vector<AnswerChoice> choices;
  SequenceRequest record;
  for (const float logprob : logprobs) {
    AnswerChoice& choice = choices.emplace_back(request, MakeFakeTokenizer(), nullptr, &record);
    TokenEvent token;
    token.token = static_cast<int32_t>('a' + choices.size() - 1);
    token.logprob = logprob;
    choice.text.Push(token, &choice.body);
  }
  return choices;
}

TEST(BestOf, TheLikeliestPerTokenOfEachPromptComeFirst) {
  const GenerationRequest request{.n = 2, .best_of = 3};
  auto choices = Answers(request, {-3.0F, -1.0F, -2.0F, -0.5F, -0.5F, -0.1F});
  // A second token makes "b" the likeliest in sum no more, but still so per token.
  TokenEvent more;
  more.token = 'B';
  more.logprob = -1.2F;
  choices[1].text.Push(more, &choices[1].body);
  const auto shown = BestOf(2, 3, &choices);
  std::vector<std::string> texts;
  for (const ChoiceBody& body : shown) texts.push_back(body.text);
  EXPECT_THAT(texts, ElementsAre("bB", "c", "f", "d"));
  EXPECT_EQ(shown[3].index, 3);
}

TEST(BestOf, WhereAllAreWantedTheyStayInOrder) {
  const GenerationRequest request{.n = 2, .best_of = 2};
  auto choices = Answers(request, {-3.0F, -1.0F});
  EXPECT_EQ(BestOf(2, 2, &choices)[0].text, "a");
}

TEST(RequestOf, RankingAsksForProbabilitiesAndStopTokensAreEndTokens) {
  const auto tokenizer = MakeFakeTokenizer();
  GenerationRequest request{.n = 1, .best_of = 2, .stop_token_ids = {'x'}};
  EXPECT_EQ(RequestOf(request, *tokenizer, 0).sampling.n_logprobs, 0);
  EXPECT_THAT(RequestOf(request, *tokenizer, 0).end_tokens, ElementsAre('x', kFakeEnd));
  request.best_of = 1;
  request.ignore_eos = true;
  EXPECT_EQ(RequestOf(request, *tokenizer, 0).sampling.n_logprobs, -1);
  EXPECT_THAT(RequestOf(request, *tokenizer, 0).end_tokens, ElementsAre('x'));
}

}  // namespace
}  // namespace exeunt::coordinator
