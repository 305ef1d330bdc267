// What may be drawn, fields that come from other servers, and what the errors say.
#include "coordinator/openai/generation_request.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ApiResult<GenerationRequest> With(const std::string& field) {
  ApiLimits limits;
  limits.n_layers = 30;
  limits.exit_layers = {15, 21};
  limits.vocab_size = 100;
  return ParseCompletionRequest(
      ParseRequestJson(fmt::format(R"({{"model":"m","prompt":"x",{}}})", field)).value(), limits);
}

TEST(ParseCompletion, WhatMayBeDrawn) {
  const auto request =
      With(R"("allowed_token_ids":[7,5,7,99],"bad_words":["a"," b c","  d"],"add_special_tokens":false)")
          .value();
  EXPECT_THAT(request.sampling.allowed_tokens, ElementsAre(5, 7, 99)) << "ascending, each once";
  EXPECT_THAT(request.bad_words, ElementsAre("a", "b c", "d")) << "without the space before them";
  EXPECT_EQ(request.add_special_tokens, false);
  EXPECT_TRUE(request.sampling.AdjustsLogits());
  const auto plain = With(R"("allowed_token_ids":null,"bad_words":[],"add_special_tokens":null)").value();
  EXPECT_FALSE(plain.sampling.AdjustsLogits());
  EXPECT_FALSE(plain.add_special_tokens);
  std::string many = "0";
  for (int i = 0; i < 4096; ++i) many += ",1";
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {R"("allowed_token_ids":[])", "allowed_token_ids", "is [], it must be a list of at least one token id"},
      {R"("allowed_token_ids":[100])", "allowed_token_ids",
       "100 of 'allowed_token_ids' is no token id in [0, 100)"},
      {R"("allowed_token_ids":["a"])", "allowed_token_ids", R"("a" of)"},
      {R"("allowed_token_ids":5)", "allowed_token_ids", "is 5"},
      {fmt::format(R"("allowed_token_ids":[{}])", many), "allowed_token_ids", "4097 token ids, at most 4096"},
      {R"("bad_words":"a")", "bad_words", R"(is "a", it must be a list of strings)"},
      {R"("bad_words":[5])", "bad_words", "5 of 'bad_words'"},
      {R"("bad_words":["a",""])", "bad_words", R"("" of 'bad_words')"},
      {R"("bad_words":["  \n"])", "bad_words", "not of blanks alone"},
      {fmt::format(R"("bad_words":["{}"])", std::string(1025, 'x')), "bad_words", "1 to 1024 characters"},
      {fmt::format(R"("bad_words":[{}])", many), "bad_words", "4097 words, at most 512"},
      {R"("add_special_tokens":1)", "add_special_tokens", "is 1, it must be true or false"},
  };
  for (const auto& [field, param, message] : cases) {
    const auto refused = With(field);
    ASSERT_FALSE(refused.has_value()) << field;
    EXPECT_EQ(refused.error().param, param) << field;
    EXPECT_THAT(refused.error().message, HasSubstr(message)) << field;
  }
}

TEST(ParseCompletion, WhatOtherServersHave) {
  EXPECT_EQ(With(R"("do_sample":false)").value().sampling.temperature, 0.0F);
  EXPECT_EQ(With(R"("do_sample":false,"temperature":0.5)").value().sampling.temperature, 0.5F);
  EXPECT_EQ(With(R"("do_sample":true)").value().sampling.temperature, 1.0F);
  EXPECT_EQ(With(R"("request_id":"abc-1.2_3")").value().request_id, "abc-1.2_3");
  EXPECT_TRUE(With(R"("include_stop_str_in_output":true)").value().show_stop);
  EXPECT_TRUE(With(R"("no_stop_trim":true)").value().show_stop);
  EXPECT_FALSE(With(R"("no_stop_trim":null)").value().show_stop);
  EXPECT_TRUE(With(R"("skip_special_tokens":false)").value().render_special);
  EXPECT_FALSE(With(R"("skip_special_tokens":true)").value().render_special);
  EXPECT_EQ(With(R"("sse_ping_interval":2)").value().comment_interval, std::chrono::seconds(2));
  EXPECT_EQ(With(R"("sse_ping_interval":-1)").value().comment_interval, Duration{0});
  EXPECT_FALSE(With(R"("sse_ping_interval":null)").value().comment_interval);
}

// Every message has the value and what would be right.
TEST(ParseCompletion, WhatIsWrongAndWhatWouldBeRightIsSaid) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {R"("temperature":2.5)", "is 2.5", "between 0 and 2"},
      {R"("temperature":"hot")", R"(is "hot")", "a number between 0 and 2"},
      {R"("top_k":[1,2])", "is [1,2]", "an integer between -1 and"},
      {R"("stream":"yes")", R"(is "yes")", "true or false"},
      {R"("user":{"a":1})", R"(is {"a":1})", "a string"},
      {R"("stop":[1])", "is [1]", "none of them empty"},
      {R"("stop":["a","b","c","d","e"])", "has 5", "at most 4"},
      {R"("stop_token_ids":[5,100])", "100 of", "in [0, 100)"},
      {R"("stop_token_ids":7)", "is 7", "a list of token ids"},
      {R"("logit_bias":{"5":"x"})", R"(is "x")", "between -100 and 100"},
      {R"("logit_bias":[1])", "is [1]", "an object"},
      {R"("metadata":{"a":5})", "value 5", "512 characters"},
      {R"("metadata":"x")", R"(is "x")", "an object"},
      {R"("response_format":{"type":"json_object"})", "'json_object'", "there is 'text'"},
      {R"("response_format":"text")", R"(is "text")", R"({"type":"text"})"},
      {R"("stream_options":{"include_usage":true})", R"(is {"include_usage":true})", "needs 'stream': true"},
      {R"("exit":7)", "is 7", "an object"},
      {R"("exit":{"forced":7})", "is 7", "a list of {layer, probability}"},
      {R"("exit":{"forced":[{"layer":15}]})", R"({"layer":15})", "lacks its probability"},
      {R"("timeout":0)", "is 0", "above 0"},
      {R"("n":"2")", R"(is "2")", "between 1 and 128"},
  };
  for (const auto& [field, value, right] : cases) {
    const auto request = With(field);
    ASSERT_FALSE(request.has_value()) << field;
    EXPECT_THAT(request.error().message, HasSubstr(value)) << field;
    EXPECT_THAT(request.error().message, HasSubstr(right)) << field;
  }
  const std::string huge =
      fmt::format(R"("user":[{}1])", std::string(20000, ' ') + R"("\u00e9\u00e9\u00e9\u00e9\u00e9",)");
  EXPECT_LT(With(huge).error().message.size(), 200U);
  std::string list = "0";
  for (int i = 0; i < 5000; ++i) list += ",0";
  EXPECT_LT(With(fmt::format(R"("user":[{}])", list)).error().message.size(), 200U);
}

}  // namespace
}  // namespace exeunt::coordinator
