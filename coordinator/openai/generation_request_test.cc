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

ApiLimits Limits() {
  ApiLimits limits;
  limits.n_layers = 30;
  limits.exit_layers = {15, 21};
  limits.default_exit.mode = ExitMode::kPropagate;
  limits.default_exit.threshold = 0.9F;
  limits.default_exit.min_layer = 3;
  limits.vocab_size = 100;
  return limits;
}

ApiResult<GenerationRequest> Completion(const std::string& body) {
  return ParseCompletionRequest(ParseRequestJson(body).value(), Limits());
}
ApiResult<GenerationRequest> Chat(const std::string& body) {
  return ParseChatRequest(ParseRequestJson(body).value(), Limits());
}
// A completion with one more field.
ApiResult<GenerationRequest> With(const std::string& field) {
  return Completion(fmt::format(R"({{"model":"m","prompt":"x",{}}})", field));
}

TEST(ParseCompletion, Defaults) {
  const auto request = Completion(R"({"model":"m","prompt":"Hello","user":"me","unknown":{"a":1}})").value();
  EXPECT_EQ(request.model, "m");
  EXPECT_EQ(std::get<std::string>(request.prompts.at(0)), "Hello");
  EXPECT_EQ(request.n, 1);
  EXPECT_FALSE(request.max_tokens);
  EXPECT_EQ(request.sampling.temperature, 1.0F);
  EXPECT_EQ(request.sampling.top_p, 1.0F);
  EXPECT_EQ(request.sampling.top_k, 0);
  EXPECT_EQ(request.sampling.n_logprobs, -1);
  EXPECT_FALSE(request.seeded);
  EXPECT_FALSE(request.stream);
  EXPECT_EQ(request.priority, 0);
  EXPECT_FALSE(request.timeout);
  EXPECT_EQ(request.exit.mode, ExitMode::kPropagate) << "the server's default";
  EXPECT_EQ(request.exit.threshold, 0.9F);
}

TEST(ParseCompletion, EveryField) {
  const auto request =
      Completion(R"({"model":"m","prompt":["a","b"],"max_tokens":7,"temperature":0.5,"top_p":0.25,
      "top_k":5,"min_p":0.125,"seed":-3,"stop":["x","y"],"logprobs":2,"stream":true,
      "stream_options":{"include_usage":true},"n":2,"echo":false,"suffix":null,"best_of":2,"tools":[],
      "presence_penalty":0,"frequency_penalty":0.0,"logit_bias":{},"response_format":{"type":"text"}})")
          .value();
  EXPECT_EQ(request.prompts.size(), 2U);
  EXPECT_EQ(request.n, 2);
  EXPECT_EQ(request.max_tokens, 7U);
  EXPECT_EQ(request.sampling.temperature, 0.5F);
  EXPECT_EQ(request.sampling.top_p, 0.25F);
  EXPECT_EQ(request.sampling.top_k, 5);
  EXPECT_EQ(request.sampling.min_p, 0.125F);
  EXPECT_EQ(request.sampling.seed, static_cast<uint64_t>(-3));
  EXPECT_TRUE(request.seeded);
  EXPECT_THAT(request.stop, ElementsAre("x", "y"));
  EXPECT_EQ(request.sampling.n_logprobs, 2);
  EXPECT_TRUE(request.stream && request.include_usage);
}

TEST(ParseCompletion, Prompts) {
  EXPECT_THAT(
      std::get<std::vector<int32_t>>(Completion(R"({"model":"m","prompt":[1,99]})").value().prompts.at(0)),
      ElementsAre(1, 99));
  const auto two = Completion(R"({"model":"m","prompt":[[1],[2,3]]})").value();
  EXPECT_THAT(std::get<std::vector<int32_t>>(two.prompts.at(1)), ElementsAre(2, 3));
  for (const char* bad :
       {R"("model":"m")", R"("model":"m","prompt":null)", R"("model":"m","prompt":[])",
        R"("model":"m","prompt":[100])", R"("model":"m","prompt":[-1])", R"("model":"m","prompt":[1.5])",
        R"("model":"m","prompt":5)", R"("model":"m","prompt":["a",5])", R"("model":"m","prompt":[1,"a"])"}) {
    EXPECT_EQ(Completion(fmt::format("{{{}}}", bad)).error().param, "prompt") << bad;
  }
  EXPECT_THAT(Completion(R"({"model":"m","prompt":["a","b"],"n":65})").error().message,
              HasSubstr("128 choices"));
}

TEST(ParseCompletion, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("temperature":2.1)", "temperature"},
      {R"("temperature":"hot")", "temperature"},
      {R"("temperature":-0.1)", "temperature"},
      {R"("top_p":0)", "top_p"},
      {R"("top_p":1.1)", "top_p"},
      {R"("top_k":-2)", "top_k"},
      {R"("top_k":1.5)", "top_k"},
      {R"("min_p":1.5)", "min_p"},
      {R"("seed":"x")", "seed"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":-1)", "max_tokens"},
      {R"("max_completion_tokens":0)", "max_completion_tokens"},
      {R"("n":0)", "n"},
      {R"("n":129)", "n"},
      {R"("stop":["a","b","c","d","e"])", "stop"},
      {R"("stop":"")", "stop"},
      {R"("stop":[1])", "stop"},
      {R"("stream":1)", "stream"},
      {R"("stream_options":{})", "stream_options"},
      {R"("logprobs":21)", "logprobs"},
      {R"("logprobs":true)", "logprobs"},
      {R"("logit_bias":5)", "logit_bias"},
      {R"("logit_bias":{"100":1})", "logit_bias"},
      {R"("logit_bias":{"-1":1})", "logit_bias"},
      {R"("logit_bias":{"a":1})", "logit_bias"},
      {R"("logit_bias":{"5 ":1})", "logit_bias"},
      {R"("logit_bias":{"5":100.5})", "logit_bias"},
      {R"("logit_bias":{"5":null})", "logit_bias"},
      {R"("presence_penalty":2.1)", "presence_penalty"},
      {R"("frequency_penalty":-2.1)", "frequency_penalty"},
      {R"("repetition_penalty":0)", "repetition_penalty"},
      {R"("repetition_penalty":101)", "repetition_penalty"},
      {R"("min_tokens":-1)", "min_tokens"},
      {R"("max_tokens":5,"min_tokens":6)", "min_tokens"},
      {R"("stop_token_ids":5)", "stop_token_ids"},
      {R"("stop_token_ids":[100])", "stop_token_ids"},
      {R"("stop_token_ids":["a"])", "stop_token_ids"},
      {R"("best_of":0)", "best_of"},
      {R"("best_of":129)", "best_of"},
      {R"("n":3,"best_of":2)", "best_of"},
      {R"("best_of":2,"stream":true)", "best_of"},
      {R"("echo":1)", "echo"},
      {R"("stream":true,"stream_options":{"include_usage":1})", "stream_options.include_usage"},
      {R"("stream":true,"stream_options":{"continuous_usage_stats":1})",
       "stream_options.continuous_usage_stats"},
      {R"("priority":101)", "priority"},
      {R"("priority":-101)", "priority"},
      {R"("priority":0.5)", "priority"},
      {R"("timeout":0)", "timeout"},
      {R"("timeout":-1)", "timeout"},
      {R"("timeout":86401)", "timeout"},
      {R"("timeout":"5")", "timeout"},
      {R"("user":5)", "user"},
      {R"("metadata":[])", "metadata"},
      {R"("metadata":{"a":5})", "metadata"},
      // Known to OpenAI, not built here.
      {R"("tools":[{"type":"function"}])", "tools"},
      {R"("response_format":{"type":"json_object"})", "response_format"},
      {R"("response_format":{"type":"json_schema","json_schema":{"name":"x"}})", "response_format"},
      {R"("response_format":"text")", "response_format"},
      {R"("functions":[{"name":"f"}])", "functions"},
      {R"("guided_json":{"type":"object"})", "guided_json"},
      {R"("suffix":"x")", "suffix"},
      {R"("request_id":"a b")", "request_id"},
      {R"("request_id":"")", "request_id"},
      {R"("do_sample":1)", "do_sample"},
      {R"("skip_special_tokens":0)", "skip_special_tokens"},
      {R"("stream":true,"sse_ping_interval":-2)", "sse_ping_interval"},
      {R"("stream":true,"stream_options":{"include_obfuscation":1})", "stream_options.include_obfuscation"},
  };
  for (const auto& [field, param] : cases) {
    const auto request = With(field);
    ASSERT_FALSE(request.has_value()) << field;
    EXPECT_EQ(request.error().status, 400);
    EXPECT_EQ(request.error().param, param) << field;
    EXPECT_THAT(request.error().message, HasSubstr(param)) << field;
  }
  EXPECT_EQ(Completion(R"({"prompt":"x"})").error().param, "model");
}

TEST(ParseCompletion, StopStringsAreMeasuredInCharacters) {
  std::string stop;
  for (int i = 0; i < 1024; ++i) stop += "\u00e9";
  EXPECT_THAT(With(fmt::format(R"("stop":"{}")", stop)).value().stop, ElementsAre(stop));
  EXPECT_EQ(With(fmt::format(R"("stop":["{}x"])", stop)).error().message,
            fmt::format("\"{}... of 'stop' has 1025 characters, at most 1024", stop.substr(0, 62)));
}

TEST(ParseCompletion, WhatChangesTheLogits) {
  const auto request = With(R"("frequency_penalty":-2,"presence_penalty":0.5,"repetition_penalty":1.25,
      "logit_bias":{"99":-100,"5":2.5,"6":0},"min_tokens":4,"stop_token_ids":[7,0])")
                           .value();
  const SamplingParams& sampling = request.sampling;
  EXPECT_EQ(sampling.frequency_penalty, -2.0F);
  EXPECT_EQ(sampling.presence_penalty, 0.5F);
  EXPECT_EQ(sampling.repetition_penalty, 1.25F);
  EXPECT_EQ(sampling.min_tokens, 4);
  ASSERT_EQ(sampling.logit_bias.size(), 2U) << "0 changes nothing";
  EXPECT_EQ(sampling.logit_bias[0].token, 5);
  EXPECT_EQ(sampling.logit_bias[1].bias, -100.0F);
  EXPECT_THAT(request.stop_token_ids, ElementsAre(7, 0));
  EXPECT_FALSE(With(R"("frequency_penalty":0,"repetition_penalty":1,"logit_bias":{},"min_tokens":0)")
                   .value()
                   .sampling.AdjustsLogits());
}

TEST(ParseCompletion, Urgency) {
  const auto request = With(R"("priority":-100,"timeout":2.5)").value();
  EXPECT_EQ(request.priority, -100);
  EXPECT_EQ(request.timeout, std::chrono::milliseconds(2500));
  EXPECT_EQ(With(R"("priority":100)").value().priority, 100);
  EXPECT_EQ(With(R"("timeout":86400)").value().timeout, std::chrono::hours(24));
}

TEST(ParseCompletion, EchoAndBestOf) {
  const auto request = With(R"("echo":true,"max_tokens":0,"n":2,"best_of":4)").value();
  EXPECT_TRUE(request.echo && request.ranked());
  EXPECT_EQ(request.max_tokens, 0U);
  EXPECT_EQ(request.best_of, 4);
  EXPECT_EQ(With(R"("n":3)").value().best_of, 3);
  EXPECT_FALSE(With(R"("n":3,"best_of":3)").value().ranked());
  EXPECT_THAT(Completion(R"({"model":"m","prompt":["a","b"],"best_of":65})").error().message,
              HasSubstr("'prompt' has 2 prompts, which with 'best_of' 65 are more than 128 choices"));
}

TEST(ParseCompletion, MetadataIsHeldToOpenAIsLimits) {
  const auto pairs = [](int count, size_t key, size_t value) {
    std::string fields;
    for (int i = 0; i < count; ++i) {
      fields += fmt::format(R"({}"{:0{}}":"{}")", i == 0 ? "" : ",", i, key, std::string(value, 'v'));
    }
    return With(fmt::format(R"("metadata":{{{}}})", fields));
  };
  EXPECT_TRUE(pairs(16, 64, 512).has_value());
  EXPECT_THAT(pairs(17, 2, 1).error().message, HasSubstr("at most 16"));
  EXPECT_THAT(pairs(1, 65, 1).error().message, HasSubstr("64 characters"));
  EXPECT_THAT(pairs(1, 1, 513).error().message, HasSubstr("512 characters"));
}

TEST(ParseChat, Messages) {
  const auto request = Chat(R"({"model":"m","messages":[{"role":"developer","content":"be brief"},
      {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
      {"role":"assistant","content":null}],"max_completion_tokens":9,"logprobs":true,"top_logprobs":3})")
                           .value();
  EXPECT_EQ(WriteJson(request.messages),
            R"([{"role":"system","content":"be brief"},{"role":"user","content":"ab"},)"
            R"({"role":"assistant","content":""}])");
  EXPECT_EQ(
      WriteJson(Chat(R"({"model":"m","messages":[{"role":"user","content":"x","name":"Ann","refusal":null},
      {"role":"assistant","content":"y","reasoning_content":"z","refusal":"","tool_calls":[],"audio":null}]})")
                    .value()
                    .messages),
      R"([{"role":"user","content":"x","name":"Ann"},)"
      R"({"role":"assistant","content":"y","reasoning_content":"z"}])")
      << "what templates may read";
  EXPECT_EQ(request.max_tokens, 9U);
  EXPECT_EQ(request.sampling.n_logprobs, 3);
  EXPECT_EQ(Chat(R"({"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":true})")
                .value()
                .sampling.n_logprobs,
            0);
}

TEST(ParseChat, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("messages":[])", "messages"},
      {R"("messages":"hi")", "messages"},
      {R"("messages":["hi"])", "messages[0]"},
      {R"("messages":[{"role":"user","content":"x"},{"content":"x"}])", "messages[1].role"},
      {R"("messages":[{"role":"tool","content":"x"}])", "messages[0].role"},
      {R"("messages":[{"role":"user","content":5}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":[{"type":"image_url"}]}])", "messages[0].content"},
      {R"("messages":[{"role":"user","content":"x"}],"top_logprobs":3)", "top_logprobs"},
      {R"("messages":[{"role":"user","content":"x"}],"max_tokens":0)", "max_tokens"},
      {R"("messages":[{"role":"user","content":"x"}],"echo":true)", "echo"},
      {R"("messages":[{"role":"user","content":"x"}],"best_of":2)", "best_of"},
      {R"("messages":[{"role":"assistant","tool_calls":[{"id":"x"}]}])", "messages[0].tool_calls"},
      {R"("messages":[{"role":"assistant","function_call":{"name":"x"}}])", "messages[0].function_call"},
      {R"("messages":[{"role":"assistant","refusal":"no"}])", "messages[0].refusal"},
      {R"("messages":[{"role":"assistant","audio":{"id":"x"}}])", "messages[0].audio"},
      {R"("messages":[{"role":"user","content":"x","name":5}])", "messages[0].name"},
      {R"("messages":[{"role":"system","content":"x","tools":[{}]}])", "messages[0].tools"},
      {R"("messages":[{"role":"system","content":"x","tools":[]},{"role":"user","content":"x","tool_call_id":"a"}])",
       "messages[1].tool_call_id"},
  };
  for (const auto& [field, param] : cases) {
    EXPECT_EQ(Chat(fmt::format(R"({{"model":"m",{}}})", field)).error().param, param) << field;
  }
}

TEST(ParseExit, EveryKey) {
  const auto request = With(R"("exit":{"mode":"propagate","measure":"forced","threshold":0.5,"min_layer":12,
      "decay":{"tau":2,"n":64},"forced":[{"layer":21,"probability":0.25},{"layer":15,"probability":0.5}],
      "per_token":true})")
                           .value();
  EXPECT_EQ(request.exit.measure, ExitMeasure::kForced);
  EXPECT_EQ(request.exit.threshold, 0.5F);
  EXPECT_EQ(request.exit.min_layer, 12);
  EXPECT_EQ(request.exit.decay->tau, 2.0F);
  EXPECT_EQ(request.exit.decay->n, 64);
  ASSERT_EQ(request.exit.forced.size(), 2U);
  EXPECT_EQ(request.exit.forced[0].layer, 15) << "in ascending order";
  EXPECT_EQ(request.exit.forced[1].probability, 0.25F);
  EXPECT_TRUE(request.exit_per_token);
}

TEST(ParseExit, WhatIsLeftOutIsTheDefault) {
  const auto request = With(R"("exit":{"threshold":0.5,"decay":null})").value();
  EXPECT_EQ(request.exit.mode, ExitMode::kPropagate);
  EXPECT_EQ(request.exit.min_layer, 3);
  EXPECT_EQ(request.exit.threshold, 0.5F);
  EXPECT_FALSE(request.exit.decay);
  EXPECT_EQ(With(R"("exit":{"mode":"off"})").value().exit.mode, ExitMode::kOff);
  EXPECT_EQ(With(R"("exit":null)").value().exit.mode, ExitMode::kPropagate);
}

TEST(ParseExit, WhatIsWrongIsNamed) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"5", "exit", "object"},
      {R"({"mode":"verify"})", "exit.mode", "'verify' is not built yet"},
      {R"({"mode":"exact"})", "exit.mode", "'exact' is not built yet"},
      {R"({"mode":"fast"})", "exit.mode", "'fast' is unknown"},
      {R"({"measure":"gut"})", "exit.measure", "'gut' is unknown"},
      {R"({"measure":"classifier"})", "exit.measure", "needs exits"},
      {R"({"threshhold":1})", "exit.threshhold", "unknown"},
      {R"({"threshold":-1})", "exit.threshold", "between"},
      {R"({"min_layer":31})", "exit.min_layer", "between 0 and 30"},
      {R"({"decay":5})", "exit.decay", "object or null"},
      {R"({"decay":{"tau":-1}})", "exit.decay.tau", "between"},
      {R"({"decay":{"x":1}})", "exit.decay.x", "unknown"},
      {R"({"forced":[{"layer":16,"probability":1}]})", "exit.forced", "there are exits after 15, 21"},
      {R"({"forced":[{"layer":15}]})", "exit.forced", "probability"},
      {R"({"forced":[{"layer":15,"probability":0.6},{"layer":21,"probability":0.6}]})", "exit.forced",
       "add up"},
      {R"({"forced":[{"layer":15,"probability":0.1},{"layer":15,"probability":0.1}]})", "exit.forced",
       "twice"},
      {R"({"forced":{}})", "exit.forced", "list"},
      {R"({"per_token":1})", "exit.per_token", "true or false"},
  };
  for (const auto& [field, param, message] : cases) {
    const auto request = With(fmt::format(R"("exit":{})", field));
    ASSERT_FALSE(request.has_value()) << field;
    EXPECT_EQ(request.error().param, param) << field;
    EXPECT_THAT(request.error().message, HasSubstr(message)) << field;
  }
}

}  // namespace
}  // namespace exeunt::coordinator
