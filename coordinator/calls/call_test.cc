// Calls without HTTP: prepared from JSON, run against the fake cluster, written by each writer.
#include "coordinator/calls/call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <string>

#include "coordinator/calls/batch_line_writer.h"
#include "coordinator/calls/body_writer.h"
#include "coordinator/calls/event_writer.h"
#include "coordinator/testing/test_cluster.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// What a sink was given.
struct Given {
  std::string bytes;
  bool ended = false;
  int refused = 0;  // status
};

class StringSink : public AnswerSink {
 public:
  explicit StringSink(Given* given) : given_(given) {}
  void Body(std::string body) override {
    given_->bytes += body;
    given_->ended = true;
  }
  void Refuse(const ApiError& error) override {
    given_->refused = error.status;
    Body(ErrorBody(error));
  }
  void Begin() override { given_->bytes += "begin\n"; }
  void Write(std::string_view bytes) override { given_->bytes += bytes; }
  void End() override { given_->ended = true; }

 private:
  Given* const given_;
};

class CallTest : public testing::Test {
 protected:
  static FakeClusterOptions Replies() {
    FakeClusterOptions options = TestClusterOptions();
    options.reply = [](const std::string& prompt) { return prompt == "endless" ? "" : "ab"; };
    return options;
  }
  CallTest() {
    cluster_.Start();
    EXPECT_TRUE(cluster_.RunUntil([&] { return cluster_.driver().core().ready(); }));
  }
  ApiResult<PreparedCall> Prepare(const std::string& body) const {
    return PrepareCall(model_, {.client = "us", .id = "fixed", .created = 7, .seed = 5},
                       boost::json::parse(body).as_object());
  }
  std::shared_ptr<Call> Start(PreparedCall prepared, std::unique_ptr<AnswerWriter> writer) {
    return Call::Start({.driver = &cluster_.driver(), .model = &model_}, std::move(prepared),
                       std::move(writer));
  }
  // The whole answer in one body.
  std::string Body(const std::string& body) {
    Given given;
    PreparedCall call = Prepare(body).value();
    const ResponseShape shape = call.shape;
    Start(std::move(call), std::make_unique<BodyWriter>(shape, std::make_unique<StringSink>(&given)));
    EXPECT_TRUE(cluster_.RunUntil([&] { return given.ended; }));
    return given.bytes;
  }
  std::string Events(const std::string& body, Duration comments = Duration{0}) {
    Given given;
    PreparedCall call = Prepare(body).value();
    auto writer = std::make_unique<EventWriter>(call.shape, std::make_unique<StringSink>(&given),
                                                &cluster_.io(), comments);
    Start(std::move(call), std::move(writer));
    EXPECT_TRUE(cluster_.RunUntil([&] { return given.ended; }));
    return given.bytes;
  }
  // Status and line.
  std::pair<int, std::string> Line(const std::string& body) {
    std::pair<int, std::string> got{0, ""};
    PreparedCall call = Prepare(body).value();
    const ResponseShape shape = call.shape;
    Start(std::move(call),
          std::make_unique<BatchLineWriter>(shape, BatchLineNames{"batch_req_1", "my \"first\"", "req_9"},
                                            [&](int status, std::string line) {
                                              got = {status, std::move(line)};
                                            }));
    EXPECT_TRUE(cluster_.RunUntil([&] { return got.first != 0; }));
    return got;
  }

  const ServedModel model_ = FakeModel(500);
  TestCluster cluster_{TestCoreConfig(), Replies()};
};

constexpr const char* kHello = R"({"model":"fake","prompt":"Hello","max_tokens":9})";

TEST_F(CallTest, EveryWriterHasTheSameAnswer) {
  const auto body = boost::json::parse(Body(kHello));
  EXPECT_EQ(body.at("id"), "cmpl-fixed");
  EXPECT_EQ(body.at("created"), 7);
  const auto& choice = body.at_pointer("/choices/0");
  EXPECT_EQ(choice.at("text"), "ab");
  EXPECT_EQ(choice.at("finish_reason"), "stop");
  EXPECT_EQ(body.at_pointer("/usage/completion_tokens"), 3);

  const std::string events = Events(kHello);
  EXPECT_THAT(events, StartsWith("begin\ndata: {"));
  EXPECT_THAT(events, HasSubstr(R"("id":"cmpl-fixed")"));
  EXPECT_THAT(events, HasSubstr(R"("finish_reason":"stop")"));
  EXPECT_TRUE(events.ends_with("data: [DONE]\n\n")) << events;

  const auto [status, text] = Line(kHello);
  EXPECT_EQ(status, 200);
  EXPECT_EQ(text.find('\n'), text.size() - 1) << "one line";
  const auto line = boost::json::parse(text);
  EXPECT_EQ(line.at("id"), "batch_req_1");
  EXPECT_EQ(line.at("custom_id"), "my \"first\"");
  EXPECT_TRUE(line.at("error").is_null());
  EXPECT_EQ(line.at_pointer("/response/status_code"), 200);
  EXPECT_EQ(line.at_pointer("/response/request_id"), "req_9");
  EXPECT_EQ(line.at_pointer("/response/body/choices"), body.at("choices"));
}

TEST_F(CallTest, AFailureIsWrittenByEveryWriter) {
  const char* late = R"({"model":"fake","prompt":"Hello","timeout":0.2})";
  cluster_.workers().generate = false;
  EXPECT_THAT(Body(late), StartsWith(R"({"error":{)"));
  EXPECT_THAT(Events(late), StartsWith(R"({"error":{)")) << "the stream has not begun";
  const std::string events = Events(late, /*comments=*/std::chrono::hours(1));
  EXPECT_THAT(events, StartsWith("begin\ndata: {\"error\":{"));
  EXPECT_TRUE(events.ends_with("data: [DONE]\n\n")) << events;
  const auto [status, text] = Line(late);
  EXPECT_EQ(status, 408);
  const auto line = boost::json::parse(text);
  EXPECT_EQ(line.at_pointer("/response/status_code"), 408);
  EXPECT_TRUE(line.at_pointer("/response/body/error/message").is_string());
  EXPECT_TRUE(line.at("error").is_null()) << "an HTTP error of a line is its response";
}

TEST_F(CallTest, AnAbandonedCallIsCancelledAndSaysNothingMore) {
  Given given;
  PreparedCall call = Prepare(R"({"model":"fake","prompt":"endless","stream":true})").value();
  auto writer = std::make_unique<EventWriter>(call.shape, std::make_unique<StringSink>(&given),
                                              &cluster_.io(), Duration{0});
  const std::weak_ptr<Call> running = Start(std::move(call), std::move(writer));
  ASSERT_TRUE(cluster_.RunUntil([&] { return !given.bytes.empty(); }));
  running.lock()->Abandon();
  const std::string bytes = given.bytes;
  EXPECT_TRUE(cluster_.RunUntil([&] { return cluster_.workers().cancels == 1; }));
  EXPECT_EQ(given.bytes, bytes);
  EXPECT_FALSE(given.ended);
  EXPECT_TRUE(running.expired()) << "the driver holds it no longer";
}

TEST_F(CallTest, PreparingIsPureAndHasTheWholeRequest) {
  const PreparedCall call =
      Prepare(R"({"model":"fake","prompt":["a","bc"],"n":2,"temperature":0.5,"priority":3,"timeout":2})")
          .value();
  EXPECT_EQ(call.common.client, "us");
  EXPECT_EQ(call.common.sampling.seed, 5U);
  EXPECT_EQ(call.common.sampling.temperature, 0.5F);
  EXPECT_EQ(call.common.priority, 3);
  EXPECT_EQ(call.common.timeout, Duration(std::chrono::seconds(2)));
  EXPECT_EQ(call.prompts.size(), 2U);
  EXPECT_EQ(call.shape.id, "cmpl-fixed");
  EXPECT_EQ(Prepare(R"({"model":"fake","prompt":"a","seed":9})")->common.sampling.seed, 9U);
  const auto bad = Prepare(R"({"model":"other","prompt":"a"})");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().status, 404);
}

}  // namespace
}  // namespace exeunt::coordinator
