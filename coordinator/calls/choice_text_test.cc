#include "coordinator/calls/choice_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "coordinator/testing/fake_tokenizer.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;

// The text cut by the stop strings as its definition has it: the earliest end wins, then the longest string.
std::string Cut(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  return text;
}

TEST(StopMatcher, IsTheSameHoweverTheTextIsCut) {
  std::mt19937 rng(7);
  int stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    // Few letters, so that prefixes of stop strings come often.
    const auto word = [&](size_t most) {
      std::string s(1 + rng() % most, 'a');
      for (char& c : s) c = static_cast<char>('a' + rng() % 2);
      return s;
    };
    const std::string text = word(30);
    std::vector<std::string> stops;
    for (size_t i = 0; i < 1 + rng() % 4; ++i) stops.push_back(word(6));
    StopMatcher matcher(stops);
    std::string shown;
    for (size_t at = 0; at < text.size();) {
      const size_t n = 1 + rng() % 4;
      shown += matcher.Push(text.substr(at, n));
      EXPECT_TRUE(Cut(text, stops).starts_with(shown)) << "a part of a stop string got out";
      at += n;
    }
    shown += matcher.Finish();
    EXPECT_EQ(shown, Cut(text, stops)) << text;
    StopMatcher showing(stops, /*show_stop=*/true);
    std::string whole = showing.Push(text);
    whole += showing.Finish();
    EXPECT_TRUE(text.starts_with(whole) && whole.starts_with(shown)) << text;
    EXPECT_EQ(
        std::any_of(stops.begin(), stops.end(), [&](const auto& stop) { return whole.ends_with(stop); }),
        showing.stopped())
        << text;
    EXPECT_EQ(matcher.stopped(), shown != text || Cut(text + "#", stops) != text + "#");
    stopped += matcher.stopped() ? 1 : 0;
  }
  EXPECT_GT(stopped, 500);
  EXPECT_LT(stopped, 2900);
}

TEST(StopMatcher, ShowsWhatCannotBecomeAStop) {
  StopMatcher matcher({"END"});
  EXPECT_EQ(matcher.Push("abE"), "ab");
  EXPECT_EQ(matcher.Push("N"), "");
  EXPECT_EQ(matcher.Push("x"), "ENx");
  EXPECT_EQ(matcher.Push("EEND and more"), "E");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.Push("more"), "");
  EXPECT_EQ(matcher.Finish(), "");
}

TokenEvent Token(int32_t token, int exit_layer = 30) {
  TokenEvent event;
  event.token = token;
  event.exit_layer = exit_layer;
  event.logprob = -0.25F;
  return event;
}

std::string PushAll(ChoiceText* text, const std::string& bytes, ChoiceBody* body) {
  for (const char byte : bytes) text->Push(Token(static_cast<unsigned char>(byte)), body);
  return body->text;
}

TEST(ChoiceText, NeverSplitsACharacter) {
  ChoiceText text(MakeFakeTokenizer(), {.end_tokens = {kFakeEnd}});
  ChoiceBody body;
  const std::string smile = "\xF0\x9F\x98\x80";
  EXPECT_EQ(PushAll(&text, smile.substr(0, 3), &body), "");
  EXPECT_EQ(PushAll(&text, smile.substr(3), &body), smile);
  PushAll(&text, "\xC3", &body);
  EXPECT_EQ(body.text, smile);
  text.Finish(&body);
  EXPECT_EQ(body.text, smile + "\xEF\xBF\xBD") << "what stays open at the end is U+FFFD";
}

TEST(ChoiceText, CountsEndTokensAndDoesNotShowThem) {
  ChoiceText text(MakeFakeTokenizer(), {.end_tokens = {kFakeEnd, '!'}, .logprobs = true});
  ChoiceBody body;
  PushAll(&text, "hi", &body);
  text.Push(Token('!', 12), &body);
  text.Finish(&body);
  EXPECT_EQ(body.text, "hi");
  EXPECT_EQ(body.logprobs.size(), 2U);
  EXPECT_THAT(body.exit_layers, ElementsAre(30, 30, 12));
  EXPECT_EQ(text.tokens(), 3U);
  EXPECT_EQ(text.exits_by_layer().at(30), 2U);
  EXPECT_EQ(text.exits_by_layer().at(12), 1U);
}

TEST(ChoiceText, ShowsWhatEndsItAndSpecialTokensWhereAskedTo) {
  const auto shown = [](ChoiceTextOptions options, const std::string& bytes, int32_t end) {
    options.end_tokens = {kFakeEnd, '!'};
    options.logprobs = true;
    ChoiceText text(MakeFakeTokenizer(), options);
    ChoiceBody body;
    PushAll(&text, bytes, &body);
    if (end >= 0) text.Push(Token(end), &body);
    text.Finish(&body);
    EXPECT_EQ(body.logprobs.size(), bytes.size() + (end >= 0 && options.show_stop ? 1 : 0));
    return body.text;
  };
  EXPECT_EQ(shown({.stops = {"STOP"}, .show_stop = true}, "a STOP", -1), "a STOP");
  EXPECT_EQ(shown({.show_stop = true}, "hi", '!'), "hi!");
  EXPECT_EQ(shown({.show_stop = true}, "hi", kFakeEnd), "hi") << "special";
  EXPECT_EQ(shown({.render_special = true, .show_stop = true}, "hi", kFakeEnd), "hi<|end|>");
  EXPECT_EQ(shown({.render_special = true}, "hi", kFakeEnd), "hi");
  ChoiceText special(MakeFakeTokenizer(), {.render_special = true});
  ChoiceBody body;
  special.Push(Token(kFakeBegin), &body);
  EXPECT_EQ(body.text, "<|begin|>");
}

TEST(ChoiceText, AStopStringTakesItsTokensLogprobsWithIt) {
  ChoiceText text(MakeFakeTokenizer(), {.stops = {"STOP"}, .logprobs = true});
  ChoiceBody body;
  PushAll(&text, "a STO", &body);
  EXPECT_EQ(body.text, "a ");
  EXPECT_EQ(body.logprobs.size(), 2U) << "none of a text that is held back";
  PushAll(&text, "P", &body);
  EXPECT_TRUE(text.stopped());
  PushAll(&text, "overran", &body);
  text.Finish(&body);
  EXPECT_EQ(body.text, "a ");
  EXPECT_EQ(body.logprobs.size(), 2U);
  EXPECT_EQ(text.tokens(), 6U) << "those that came before the end of the stop string";
}

TEST(ChoiceText, WhatWasHeldComesAtTheEnd) {
  ChoiceText text(MakeFakeTokenizer(), {.stops = {"STOP"}, .logprobs = true});
  ChoiceBody body;
  PushAll(&text, "a STO", &body);
  text.Finish(&body);
  EXPECT_FALSE(text.stopped());
  EXPECT_EQ(body.text, "a STO");
  EXPECT_EQ(body.logprobs.size(), 5U);
}

TEST(ChoiceText, OffsetsCountCharacters) {
  ChoiceText text(MakeFakeTokenizer(), {.logprobs = true});
  ChoiceBody body;
  PushAll(&text, "\xC3\xA9x", &body);
  text.Finish(&body);
  ASSERT_EQ(body.logprobs.size(), 3U);
  EXPECT_EQ(body.logprobs[0].text_offset, 0U);
  EXPECT_EQ(body.logprobs[1].text_offset, 0U);
  EXPECT_EQ(body.logprobs[2].text_offset, 1U);
  EXPECT_EQ(body.logprobs[0].piece, "\xC3");
}

TEST(ChoiceText, OffsetsBeginBehindTheTextBefore) {
  ChoiceText text(MakeFakeTokenizer(), {.logprobs = true, .offset_chars = 7});
  ChoiceBody body;
  PushAll(&text, "ab", &body);
  ASSERT_EQ(body.logprobs.size(), 2U);
  EXPECT_EQ(body.logprobs[1].text_offset, 8U);
}

TEST(ChoiceText, NoStopStringEndsTheFirstMinTokens) {
  ChoiceText text(MakeFakeTokenizer(), {.stops = {"a"}, .min_tokens = 3});
  ChoiceBody body;
  EXPECT_EQ(PushAll(&text, "aba", &body), "aba");
  EXPECT_FALSE(text.stopped());
  EXPECT_EQ(PushAll(&text, "bab", &body), "abab");
  EXPECT_TRUE(text.stopped());
}

TEST(ChoiceText, MeanLogprobIsThatOfItsTokens) {
  ChoiceText text(MakeFakeTokenizer(), {.end_tokens = {kFakeEnd}});
  EXPECT_EQ(text.mean_logprob(), 0.0);
  ChoiceBody body;
  for (const float logprob : {-0.5F, -1.5F, -4.0F}) {
    TokenEvent token = Token(logprob < -2 ? kFakeEnd : 'a');
    token.logprob = logprob;
    text.Push(token, &body);
  }
  EXPECT_EQ(text.mean_logprob(), -2.0);
}

}  // namespace
}  // namespace exeunt::coordinator
