// Streams of the REST API end to end.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/openai/json_text.h"
#include "coordinator/testing/http_client.h"
#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

HttpReply Post(const TestServer& server, bool chat, const std::string& fields) {
  const char* input = chat ? R"("messages":[{"role":"user","content":"x"}])" : R"("prompt":"x")";
  return Fetch(server.port(), "POST", chat ? "/v1/chat/completions" : "/v1/completions",
               fmt::format(R"({{"model":"fake",{},{}}})", input, fields));
}

// The text of a stream's choice, joined; its last finish reason.
struct Joined {
  std::string text;
  std::string finish_reason;
  std::vector<int64_t> exit_layers;
  size_t logprobs = 0;
};
Joined Join(const HttpReply& reply, bool chat, int index = 0) {
  Joined joined;
  for (const std::string& event : reply.Events()) {
    if (event == "[DONE]") continue;
    const auto chunk = boost::json::parse(event);
    for (const auto& choice : chunk.at("choices").as_array()) {
      if (choice.at("index") != index) continue;
      const auto* text = chat ? choice.at("delta").as_object().if_contains("content") : &choice.at("text");
      if (text != nullptr) joined.text += std::string_view(text->as_string());
      if (!choice.at("finish_reason").is_null())
        joined.finish_reason = choice.at("finish_reason").as_string();
      if (const auto* layers = choice.as_object().if_contains("exit_layers")) {
        for (const auto& layer : layers->as_array()) joined.exit_layers.push_back(layer.as_int64());
      }
      if (!chat && !choice.at("logprobs").is_null())
        joined.logprobs += choice.at("logprobs").at("tokens").as_array().size();
    }
  }
  return joined;
}

constexpr char kText[] = "na\xC3\xAFve \xF0\x9F\x98\x80 caf\xC3\xA9 and ever so much more text";

TEST(GatewayStream, JoinedIsThePlainAnswer) {
  TestServer server(WithReply(kText));
  for (const bool chat : {false, true}) {
    for (const std::string& fields :
         {std::string(R"("max_tokens":100)"), std::string(R"("max_tokens":3)"),
          std::string(R"("stop":" and")"), std::string(R"("stop":["caf\u00e9 x","so much"])"),
          std::string(R"("stop":"\ud83d\ude00")")}) {
      const auto plain = Post(server, chat, fields).Json();
      const HttpReply stream = Post(server, chat, fmt::format(R"({},"stream":true)", fields));
      const auto& choice = plain.at("choices").as_array()[0];
      const auto& text = chat ? choice.at("message").at("content") : choice.at("text");
      EXPECT_EQ(Join(stream, chat).text, std::string_view(text.as_string())) << fields;
      EXPECT_EQ(Join(stream, chat).finish_reason, std::string_view(choice.at("finish_reason").as_string()))
          << fields;
      EXPECT_EQ(stream.Events().back(), "[DONE]");
    }
  }
}

TEST(GatewayStream, HeadAndShape) {
  TestServer server(WithReply("hi"));
  const HttpReply reply = Post(server, true, R"("stream":true)");
  EXPECT_EQ(reply.status, 200);
  EXPECT_THAT(reply.headers.at("content-type"), HasSubstr("text/event-stream"));
  EXPECT_EQ(reply.headers.at("x-accel-buffering"), "no");
  EXPECT_FALSE(reply.headers.at("x-request-id").empty());
  const auto events = reply.Events();
  EXPECT_THAT(events.front(), HasSubstr(R"("delta":{"role":"assistant","content":""})"));
  EXPECT_THAT(events[events.size() - 2],
              HasSubstr(R"("delta":{},"index":0,"logprobs":null,"finish_reason":"stop")"));
  std::set<std::string> ids;
  for (const std::string& event : events) {
    if (event == "[DONE]") continue;
    ids.insert(WriteJson(boost::json::parse(event).at("id")));
    EXPECT_FALSE(boost::json::parse(event).as_object().contains("usage"));
  }
  EXPECT_EQ(ids.size(), 1U);
}

TEST(GatewayStream, UsageComesLastWhereAskedFor) {
  TestServer server(WithReply("hi"));
  const auto events =
      Post(server, false, R"("stream":true,"stream_options":{"include_usage":true})").Events();
  const auto usage = boost::json::parse(events[events.size() - 2]);
  EXPECT_TRUE(usage.at("choices").as_array().empty());
  EXPECT_EQ(usage.at("usage").at("completion_tokens"), 3);
  EXPECT_GE(usage.at("usage").at("queue_time").to_number<double>(), 0.0);
  EXPECT_EQ(WriteJson(usage.at("usage").at("exit").at("by_layer")), R"({"12":2,"30":1})");
  EXPECT_TRUE(boost::json::parse(events[0]).at("usage").is_null());
}

TEST(GatewayStream, ChoicesAreToldApartByTheirIndex) {
  TestServerOptions options;
  options.cluster.reply = [](const std::string& prompt) { return fmt::format("<{}>", prompt); };
  TestServer server(options);
  const HttpReply reply = Fetch(server.port(), "POST", "/v1/completions",
                                R"({"model":"fake","prompt":["a","b"],"n":2,"stream":true})");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Join(reply, false, i).text, i < 2 ? "<a>" : "<b>");
}

TEST(GatewayStream, ExitLayersAndLogprobsOfEveryToken) {
  TestServer server(WithReply("\xF0\x9F\x98\x80 ab"));
  const HttpReply reply = Post(server, false, R"("stream":true,"logprobs":1,"exit":{"per_token":true})");
  const Joined joined = Join(reply, false);
  EXPECT_EQ(joined.exit_layers.size(), 8U) << "seven bytes and the end";
  EXPECT_EQ(joined.logprobs, 7U);
}

TEST(GatewayStream, AClientThatGoesCancelsItsRequest) {
  TestServer server(WithReply(""));
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions",
                     R"({"model":"fake","prompt":"x","max_tokens":400,"stream":true})");
  client.ReadUntil("data: ");
  server.cluster().generate = false;
  client.Close();
  EXPECT_TRUE(server.WaitCluster("/requests/running", "0"));
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
}

TEST(GatewayStream, AFailureBeforeTheFirstTokenHasAStatus) {
  TestServer server(WithReply("x"));
  server.cluster().generate = false;
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"x","stream":true})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  server.cluster().Crash();
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
}

// An answer that is still coming whenever a test looks.
TestServerOptions Endless() {
  TestServerOptions options = WithReply("");
  options.core.context_length = 100'000'000;
  options.cluster.kv_pages = 100'000'000;
  return options;
}

TEST(GatewayStream, AFailureInTheMiddleIsAnErrorEvent) {
  TestServer server(Endless());
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions",
                     R"({"model":"fake","prompt":"x","max_tokens":50000000,"stream":true})");
  const std::string head = client.ReadUntil("data: ");
  EXPECT_THAT(head, HasSubstr("200 OK"));
  server.cluster().Crash();
  const std::string error = client.ReadUntil("data: [DONE]");
  EXPECT_THAT(error, HasSubstr(R"(data: {"error":{"message":)"));
  EXPECT_THAT(error, HasSubstr(R"("code":"pipeline_restarted")"));
}

TEST(GatewayStream, ASequenceThatAStageFailsEndsWithAnErrorAndFreesThePages) {
  TestServer server(Endless());
  HttpClient streamed(server.port());
  streamed.SendRequest("POST", "/v1/completions",
                       R"({"model":"fake","prompt":"x","max_tokens":50000000,"stream":true})");
  streamed.ReadUntil("data: ");
  server.cluster().fail = true;
  const std::string event = streamed.ReadUntil("data: [DONE]");
  EXPECT_THAT(
      event,
      HasSubstr(R"(data: {"error":{"message":"stage 1 failed to compute the request: out of )"
                R"(memory for its states","type":"server_error","param":null,"code":"stage_failed"}})"));
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));

  HttpClient plain(server.port());
  plain.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"x","max_tokens":50000000})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  server.cluster().fail = true;
  const HttpReply reply = plain.ReadReply();
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"stage_failed")"));
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
  EXPECT_EQ(server.cluster().cancels, 2);
  const std::string metrics = Fetch(server.port(), "GET", "/metrics").body;
  EXPECT_THAT(metrics, HasSubstr(R"(exeunt_request_failures_total{reason="stage_failed"} 2)"));
  EXPECT_THAT(metrics, HasSubstr(R"(exeunt_pipeline_restarts_total{replica="0"} 0)"));
}

TEST(GatewayStream, ADeadlineInTheMiddleIsAnErrorEventAndFreesThePages) {
  TestServer server(Endless());
  HttpClient client(server.port());
  client.SendRequest("POST", "/v1/completions",
                     R"({"model":"fake","prompt":"x","max_tokens":50000000,"stream":true,"timeout":3})");
  client.ReadUntil("data: ");
  server.cluster().generate = false;
  const std::string error = client.ReadUntil("data: [DONE]");
  EXPECT_THAT(error, HasSubstr(R"(data: {"error":{"message":)"));
  EXPECT_THAT(error,
              HasSubstr(R"("type":"invalid_request_error","param":"timeout","code":"deadline_exceeded")"));
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
}

}  // namespace
}  // namespace exeunt::coordinator
