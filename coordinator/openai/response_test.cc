#include "coordinator/openai/response.h"

#include <gtest/gtest.h>

namespace exeunt::coordinator {
namespace {

ResponseShape Shape(bool chat) {
  ResponseShape shape;
  shape.chat = chat;
  shape.id = "id-1";
  shape.model = "tiny";
  shape.created = 17;
  shape.n_layers = 30;
  shape.exit.mode = ExitMode::kPropagate;
  shape.exit.threshold = 0.9F;
  return shape;
}

const Usage kUsage{.prompt_tokens = 3,
                   .cached_tokens = 2,
                   .completion_tokens = 4,
                   .queue_time = 0.0123456789,
                   .exits_by_layer = {{12, 1}, {30, 3}}};
constexpr char kUsageText[] =
    R"({"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2},)"
    R"("queue_time":0.012346,"exit":{"certificate":null,"mode":"propagate","measure":"softmax",)"
    R"("threshold":0.9,"mean_layers":25.5,"layers_skipped":18,"by_layer":{"12":1,"30":3}}})";

TEST(Response, Completion) {
  ChoiceBody choice;
  choice.text = "Hi";
  choice.finish_reason = "stop";
  EXPECT_EQ(
      ResponseBody(Shape(false), {choice}, kUsage),
      R"({"id":"id-1","object":"text_completion","created":17,"model":"tiny","choices":[{"text":"Hi","index":0,)"
      R"("logprobs":null,"finish_reason":"stop"}],"usage":)" +
          std::string(kUsageText) + R"(,"system_fingerprint":null})");
}

TEST(Response, Chat) {
  ChoiceBody choice;
  choice.index = 1;
  choice.text = "Hi";
  choice.finish_reason = "length";
  EXPECT_EQ(
      ResponseBody(Shape(true), {choice}, kUsage),
      R"({"id":"id-1","object":"chat.completion","created":17,"model":"tiny","choices":[{"message":)"
      R"({"role":"assistant","content":"Hi","refusal":null},"index":1,"logprobs":null,"finish_reason":"length"}],)"
      R"("usage":)" +
          std::string(kUsageText) + R"(,"system_fingerprint":null})");
}

TEST(Response, Chunks) {
  ResponseShape shape = Shape(true);
  ChoiceBody choice;
  EXPECT_EQ(
      ChunkBody(shape, choice, true, {}),
      R"({"id":"id-1","object":"chat.completion.chunk","created":17,"model":"tiny","choices":[{"delta":)"
      R"({"role":"assistant","content":""},"index":0,"logprobs":null,"finish_reason":null}]})");
  choice.text = "xyz";
  shape.usage_in_stream = true;
  shape.exit_layers = true;
  choice.exit_layers = {12, 30};
  EXPECT_EQ(
      ChunkBody(shape, choice, false, {}),
      R"({"id":"id-1","object":"chat.completion.chunk","created":17,"model":"tiny","choices":[{"delta":)"
      R"({"content":"xyz"},"index":0,"logprobs":null,"finish_reason":null,"exit_layers":[12,30]}],"usage":null})");
  EXPECT_EQ(UsageChunkBody(Shape(false), kUsage),
            R"({"id":"id-1","object":"text_completion","created":17,"model":"tiny","choices":[],"usage":)" +
                std::string(kUsageText) + "}");
  EXPECT_EQ(ServerSentEvent("[DONE]"), "data: [DONE]\n\n");
}

TEST(Response, Logprobs) {
  ResponseShape shape = Shape(true);
  shape.logprobs = true;
  ChoiceBody choice;
  choice.logprobs = {
      {.piece = "\xc3", .logprob = -0.1F, .top = {{"a", -0.1F}, {"b", -2.5F}}, .text_offset = 4}};
  const std::string chat = ChunkBody(shape, choice, false, {});
  EXPECT_NE(
      chat.find(
          R"("logprobs":{"content":[{"token":"�","logprob":-0.1,"bytes":[195],"top_logprobs":[{"token":"a",)"
          R"("logprob":-0.1,"bytes":[97]},{"token":"b","logprob":-2.5,"bytes":[98]}]}],"refusal":null})"),
      std::string::npos)
      << chat;
  shape.chat = false;
  const std::string completion = ChunkBody(shape, choice, false, {});
  EXPECT_NE(
      completion.find(
          R"("logprobs":{"tokens":["�"],"token_logprobs":[-0.1],"top_logprobs":[{"a":-0.1,"b":-2.5,"�":-0.1}],)"
          R"("text_offset":[4]})"),
      std::string::npos)
      << completion;
}

TEST(Response, WhatComesFirstHasNoLogprob) {
  ResponseShape shape = Shape(false);
  shape.logprobs = true;
  ChoiceBody choice;
  choice.logprobs = {{.piece = "a"}, {.piece = "b", .logprob = -0.5F, .top = {{"b", -0.5F}}}};
  const std::string body = ChunkBody(shape, choice, false, {});
  EXPECT_NE(body.find(R"("token_logprobs":[null,-0.5],"top_logprobs":[null,{"b":-0.5}])"), std::string::npos)
      << body;
}

TEST(Response, UsageInEveryChunkWhereWanted) {
  ResponseShape shape = Shape(true);
  shape.continuous_usage = true;
  EXPECT_NE(ChunkBody(shape, {}, false, kUsage).find(std::string(R"("usage":)") + kUsageText),
            std::string::npos);
}

}  // namespace
}  // namespace exeunt::coordinator
