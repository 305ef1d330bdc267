// The HTTP server by itself: limits, deadlines, keep-alive, clients that go.
#include "coordinator/gateway/http_server.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "coordinator/testing/http_client.h"

namespace exeunt {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    options_.host = "127.0.0.1";
    options_.port = 0;
    options_.max_body_bytes = 1000;
    options_.max_header_bytes = 2000;
  }
  void Start() {
    server_ =
        HttpServer::Listen(&io_, options_, [this](auto exchange) { Handle(std::move(exchange)); }).value();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~HttpServerTest() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }
  // "/hold": no answer for now; "/stream": a stream that is held open; else an echo.
  void Handle(std::shared_ptr<HttpExchange> exchange) {
    const std::string path = exchange->request().path;
    exchange->on_gone = [this, path] { Note("gone " + path); };
    if (path == "/hold") {
      held_ = exchange;
      return Note("held");
    }
    if (path == "/stream") {
      exchange->StartStream({.content_type = "text/event-stream"});
      exchange->Write("data: 1\n\n");
      held_ = exchange;
      return Note("held");
    }
    if (path == "/flood") {
      exchange->StartStream({});
      for (int i = 0; i < 200; ++i) exchange->Write(std::string(100'000, 'x'));
      held_ = exchange;
      return;
    }
    exchange->Respond(
        {.body = fmt::format("{} {} [{}]", exchange->request().method, path, exchange->request().body)});
  }
  void Note(std::string what) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(what));
    changed_.notify_all();
  }
  bool WaitNote(const std::string& what) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return std::count(notes_.begin(), notes_.end(), what) > 0; });
  }
  void OnServer(std::function<void()> work) { boost::asio::post(io_, std::move(work)); }

  HttpServerOptions options_;
  boost::asio::io_context io_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::shared_ptr<HttpExchange> held_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  Start();
  HttpClient client(server_->port());
  for (int i = 0; i < 5; ++i) {
    client.SendRequest("POST", "/a?query=1", "body");
    const HttpReply reply = client.ReadReply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /a [body]");
    EXPECT_EQ(reply.headers.at("connection"), "keep-alive");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  HttpClient client(server_->port());
  std::string all;
  for (int i = 0; i < 20; ++i) all += fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  client.Send(all);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ReadReply().body, fmt::format("GET /{} []", i));
}

TEST_F(HttpServerTest, RequestIdsAreRepeatedOrMade) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/", "", "x-request-id: abc-1.2_3\r\n");
  EXPECT_EQ(client.ReadReply().headers.at("x-request-id"), "abc-1.2_3");
  client.SendRequest("GET", "/", "", "x-request-id: <script>\r\n");
  const std::string first = client.ReadReply().headers.at("x-request-id");
  EXPECT_THAT(first, testing::StartsWith("req_"));
  client.SendRequest("GET", "/");
  EXPECT_NE(client.ReadReply().headers.at("x-request-id"), first);
}

TEST_F(HttpServerTest, ClosesWhenAskedTo) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/", "", "Connection: close\r\n");
  EXPECT_EQ(client.ReadReply().status, 200);
  EXPECT_TRUE(client.ReadEnd());
  HttpClient old(server_->port());
  old.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.ReadReply().status, 200);
  EXPECT_TRUE(old.ReadEnd());
}

TEST_F(HttpServerTest, RefusesABodyOverTheLimit) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("POST", "/", std::string(1001, 'x'));
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 413);
  EXPECT_THAT(reply.body, HasSubstr("1000 bytes"));
  EXPECT_THAT(reply.body, HasSubstr("\"param\":null"));
  EXPECT_FALSE(reply.headers.at("x-request-id").empty());
  HttpClient just(server_->port());
  just.SendRequest("POST", "/", std::string(1000, 'x'));
  EXPECT_EQ(just.ReadReply().status, 200);
}

TEST_F(HttpServerTest, RefusesAChunkedBodyOverTheLimit) {
  Start();
  HttpClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
              std::string(1001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.ReadReply().status, 413);
}

TEST_F(HttpServerTest, RefusesAHeaderOverTheLimit) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/", "", fmt::format("a: {}\r\n", std::string(3000, 'x')));
  EXPECT_EQ(client.ReadReply().status, 431);
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
  Start();
  HttpClient client(server_->port());
  client.Send("hello there\r\n\r\n");
  EXPECT_EQ(client.ReadReply().status, 400);
  EXPECT_TRUE(client.ReadEnd());
}

TEST_F(HttpServerTest, SaysContinueToWhoAsks) {
  Start();
  HttpClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ab");
  EXPECT_EQ(client.ReadReply().body, "POST / [ab]");
}

TEST_F(HttpServerTest, ASlowHeaderMeetsItsDeadline) {
  options_.header_timeout = milliseconds(30);
  Start();
  HttpClient client(server_->port());
  client.Send("GET / HT");
  EXPECT_TRUE(client.ReadEnd());
}

TEST_F(HttpServerTest, ASlowBodyMeetsItsDeadline) {
  options_.body_timeout = milliseconds(30);
  Start();
  HttpClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(client.ReadEnd());
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosed) {
  options_.idle_timeout = milliseconds(30);
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/");
  EXPECT_EQ(client.ReadReply().status, 200);
  EXPECT_TRUE(client.ReadEnd());
}

TEST_F(HttpServerTest, NoticesThatAClientGoesWhileItsAnswerIsPrepared) {
  Start();
  for (const char* path : {"/hold", "/stream"}) {
    HttpClient client(server_->port());
    client.SendRequest("GET", path);
    ASSERT_TRUE(WaitNote("held"));
    client.Close();
    EXPECT_TRUE(WaitNote(fmt::format("gone {}", path)));
    OnServer([this] { held_->Respond({}); });  // harmless
  }
}

TEST_F(HttpServerTest, AnAnswerThatTakesItsTimeArrives) {
  options_.idle_timeout = options_.header_timeout = options_.body_timeout = milliseconds(200);
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/hold");
  ASSERT_TRUE(WaitNote("held"));
  std::this_thread::sleep_for(milliseconds(400));
  OnServer([this] { held_->Respond({.body = "late"}); });
  EXPECT_EQ(client.ReadReply().body, "late");
  client.SendRequest("GET", "/next");
  EXPECT_EQ(client.ReadReply().body, "GET /next []");
}

TEST_F(HttpServerTest, StreamsInChunks) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/stream");
  ASSERT_TRUE(WaitNote("held"));
  OnServer([this] {
    held_->Write("data: 2\n\n");
    held_->EndStream();
  });
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.headers.at("content-type"), "text/event-stream");
  EXPECT_THAT(reply.Events(), testing::ElementsAre("1", "2"));
  client.SendRequest("GET", "/next");
  EXPECT_EQ(client.ReadReply().status, 200) << "the connection is kept";
}

TEST_F(HttpServerTest, AStreamThatIsNotReadIsDropped) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/flood");
  EXPECT_TRUE(WaitNote("gone /flood"));
}

TEST_F(HttpServerTest, TakesNoMoreConnectionsThanItsLimit) {
  options_.max_connections = 2;
  Start();
  auto first = std::make_unique<HttpClient>(server_->port());
  HttpClient second(server_->port());
  first->SendRequest("GET", "/");
  second.SendRequest("GET", "/");
  EXPECT_EQ(first->ReadReply().status, 200);
  EXPECT_EQ(second.ReadReply().status, 200);
  HttpClient third(server_->port());
  third.SendRequest("GET", "/third");
  first.reset();
  EXPECT_EQ(third.ReadReply().body, "GET /third []") << "it waits for its turn";
}

}  // namespace
}  // namespace exeunt
