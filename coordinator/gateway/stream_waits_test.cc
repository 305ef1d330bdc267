// Streams that wait: their header comes at once, and comments while nothing else does.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <optional>

#include "coordinator/calls/stream_pulse.h"
#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kStream = R"({"model":"fake","prompt":"x","stream":true})";
const std::string kComment(kStreamComment);

// A comment is due after `interval`; nobody generates yet.
TestServerOptions WithComments(Duration interval) {
  TestServerOptions options = WithReply("hello");
  options.core.max_sequences = 1;
  options.stream_comment_interval = interval;
  return options;
}

// Comments come as fast as a test can wait for them, or never.
constexpr Duration kSoon = std::chrono::milliseconds(20);
constexpr Duration kNever = std::chrono::hours(1);

void SendStream(HttpClient* client, const std::string& body = kStream) {
  client->SendRequest("POST", "/v1/completions", body);
}

TEST(StreamWaits, InALongPrefill) {
  TestServer server(WithComments(kSoon));
  server.cluster().generate = false;
  HttpClient client(server.port());
  SendStream(&client);
  const std::string head = client.ReadUntil("\r\n\r\n");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/event-stream"));
  for (int i = 0; i < 3; ++i) client.ReadUntil(kComment);
  server.cluster().generate = true;
  const std::string rest = client.ReadUntil("data: [DONE]\n\n");
  EXPECT_THAT(rest, HasSubstr(R"("text":"h)"));
  client.ReadUntil("0\r\n\r\n");
  client.SendRequest("GET", "/healthz");
  EXPECT_EQ(client.ReadReply().status, 200) << "the connection is kept, and no comment comes behind the end";
}

TEST(StreamWaits, InTheQueueAndForChats) {
  TestServer server(WithComments(kSoon));
  server.cluster().generate = false;
  HttpClient running(server.port()), waiting(server.port());
  SendStream(&running);
  running.ReadUntil("\r\n\r\n");
  waiting.SendRequest("POST", "/v1/chat/completions",
                      R"({"model":"fake","messages":[{"role":"user","content":"x"}],"stream":true,"n":2})");
  EXPECT_THAT(waiting.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  waiting.ReadUntil(kComment);
  EXPECT_TRUE(server.WaitCluster("/requests/waiting", "2"));
  server.cluster().generate = true;
  running.ReadUntil("data: [DONE]\n\n");
  EXPECT_THAT(waiting.ReadUntil("data: [DONE]\n\n"),
              HasSubstr(R"("delta":{"role":"assistant","content":""})"));
}

TEST(StreamWaits, InTheMiddle) {
  TestServerOptions options = WithComments(kSoon);
  options.cluster.reply = [](const std::string&) { return ""; };
  options.core.context_length = 100'000'000;
  options.cluster.kv_pages = 100'000'000;
  TestServer server(options);
  HttpClient client(server.port());
  SendStream(&client, R"({"model":"fake","prompt":"x","max_tokens":50000000,"stream":true})");
  client.ReadUntil("data: ");
  server.cluster().generate = false;
  for (int i = 0; i < 2; ++i) client.ReadUntil(kComment);
  server.cluster().generate = true;
  client.ReadUntil("data: ");
}

TEST(StreamWaits, CommentsAreNoEventsAndTheAnswerIsThePlainOne) {
  TestServer server(WithComments(std::chrono::nanoseconds(1)));  // a comment wherever one can stand
  const HttpReply stream = Fetch(server.port(), "POST", "/v1/completions", kStream);
  EXPECT_EQ(stream.Events().back(), "[DONE]");
  std::string text;
  for (const std::string& event : stream.Events()) {
    if (event != "[DONE]")
      text += std::string_view(boost::json::parse(event).at_pointer("/choices/0/text").as_string());
  }
  EXPECT_EQ(text, "hello");
}

TEST(StreamWaits, OldClientsToo) {
  TestServer server(WithComments(kSoon));
  server.cluster().generate = false;
  HttpClient client(server.port());
  client.Send(fmt::format("POST /v1/completions HTTP/1.0\r\nContent-Length: {}\r\n\r\n{}",
                          std::string_view(kStream).size(), kStream));
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), testing::Not(HasSubstr("chunked")));
  EXPECT_EQ(client.ReadUntil(kComment), kComment);
  server.cluster().generate = true;
  client.ReadUntil("data: [DONE]\n\n");
  EXPECT_TRUE(client.ReadEnd());
}

TEST(StreamWaits, WhatIsRefusedAtOnceHasItsStatus) {
  TestServerOptions options = WithComments(kNever);
  options.core.max_queue = 1;
  TestServer server(options);
  server.cluster().generate = false;
  const auto status = [&](const std::string& body) {
    return Fetch(server.port(), "POST", "/v1/completions", body).status;
  };
  EXPECT_EQ(status(R"({"model":"fake","prompt":"x","stream":true,"temperature":9})"), 400);
  EXPECT_EQ(status(R"({"model":"other","prompt":"x","stream":true})"), 404);
  EXPECT_EQ(status(R"({"model":"fake","prompt":"x","stream":true,"max_tokens":100000})"), 400)
      << "the core's refusal";
  HttpClient running(server.port()), waiting(server.port());
  SendStream(&running);
  running.ReadUntil("\r\n\r\n");
  SendStream(&waiting);
  waiting.ReadUntil("\r\n\r\n");
  const HttpReply full = Fetch(server.port(), "POST", "/v1/completions", kStream);
  EXPECT_EQ(full.status, 429);
  EXPECT_TRUE(full.headers.contains("retry-after"));
  EXPECT_EQ(status(R"({"model":"fake","prompt":"x","stream":true,"n":3})"), 429)
      << "the first choice fits, not all";
  server.cluster().load = false;
  server.cluster().Crash();
  ASSERT_TRUE(server.WaitCluster("/ready", "false"));
  const HttpReply none = Fetch(server.port(), "POST", "/v1/completions", kStream);
  EXPECT_EQ(none.status, 503);
  EXPECT_EQ(At(none, "/error/code"), R"("no_pipeline_ready")");
}

TEST(StreamWaits, WhatFailsLaterIsAnErrorEvent) {
  TestServerOptions options = WithComments(kNever);
  options.core.queue_timeout = std::chrono::milliseconds(300);
  TestServer server(options);
  server.cluster().generate = false;
  HttpClient running(server.port()), waiting(server.port()), short_of_time(server.port());
  SendStream(&running);
  running.ReadUntil("\r\n\r\n");
  SendStream(&waiting);
  EXPECT_THAT(waiting.ReadUntil("\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_THAT(waiting.ReadUntil("data: [DONE]\n\n"), HasSubstr(R"("code":"queue_timeout")"));
  SendStream(&short_of_time, R"({"model":"fake","prompt":"x","stream":true,"timeout":0.01})");
  EXPECT_THAT(short_of_time.ReadUntil("\r\n\r\n"), HasSubstr("200 OK"));
  EXPECT_THAT(short_of_time.ReadUntil("data: [DONE]\n\n"), HasSubstr(R"("code":"deadline_exceeded")"));
  server.cluster().Crash();
  EXPECT_THAT(running.ReadUntil("data: [DONE]\n\n"), HasSubstr(R"(data: {"error":{"message":)"));
}

TEST(StreamWaits, AClientThatGoesWhileItWaitsLeavesTheQueue) {
  TestServer server(WithComments(kSoon));
  server.cluster().generate = false;
  HttpClient running(server.port()), waiting(server.port());
  SendStream(&running);
  running.ReadUntil("\r\n\r\n");
  SendStream(&waiting);
  waiting.ReadUntil(kComment);
  waiting.Close();
  EXPECT_TRUE(server.WaitCluster("/requests/waiting", "0"));
  running.Close();
  EXPECT_TRUE(server.WaitCluster("/requests/running", "0"));
}

TEST(StreamPulse, StopsWhenItIsDestroyed) {
  boost::asio::io_context io;
  int beats = 0;
  std::optional<StreamPulse> pulse;
  pulse.emplace(&io, std::chrono::milliseconds(1), [&] {
    if (++beats == 3) pulse.reset();  // from inside
  });
  io.run();
  EXPECT_EQ(beats, 3);
}

}  // namespace
}  // namespace exeunt::coordinator
