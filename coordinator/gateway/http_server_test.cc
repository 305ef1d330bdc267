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

namespace exeunt::coordinator {
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
    const HttpRequest& request = exchange->request();
    if (path == "/client")
      return exchange->Respond({.body = fmt::format("{} '{}'", request.client, request.authorization)});
    exchange->Respond({.body = fmt::format("{} {} [{}]{}", request.method, path, request.body,
                                           request.crowded ? " crowded" : "")});
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

// Every address of the name that this machine has, at one port.
TEST_F(HttpServerTest, ListensOnNames) {
  for (const char* host : {"localhost", "[127.0.0.1]", "127.1"}) {
    options_.host = host;
    auto server = HttpServer::Listen(&io_, options_, [](auto) {});
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_GT((*server)->port(), 0);
  }
  options_.host = "localhost";
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/");
  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(HttpServerTest, AHostThatCannotBeListenedOnIsNamed) {
  for (const auto& [host, what] : std::vector<std::pair<std::string, std::string>>{
           {"no-such-host.invalid", "host 'no-such-host.invalid'"},
           {"", "host ''"},
           {"192.0.2.1", "port 192.0.2.1:0"}}) {
    options_.host = host;
    const auto server = HttpServer::Listen(&io_, options_, [](auto) {});
    ASSERT_FALSE(server) << host;
    EXPECT_THAT(server.error().message, HasSubstr(what));
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

TEST_F(HttpServerTest, TakesChunkedBodies) {
  Start();
  HttpClient client(server_->port());
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string single, whole;
  for (int i = 0; i < 1000; ++i) single += "1;ext=\"value\"\r\nx\r\n", whole += 'x';
  client.Send(head + single + "0\r\nTrailer: of no use\r\n\r\n");
  EXPECT_EQ(client.ReadReply().body, fmt::format("POST / [{}]", whole)) << "exactly the limit";
  for (const char c : head + "3\r\nabc\r\n0\r\n\r\n") client.Send(std::string(1, c));
  EXPECT_EQ(client.ReadReply().body, "POST / [abc]") << "byte by byte, and the connection was kept";
  client.Send(head + "0\r\n\r\n");
  EXPECT_EQ(client.ReadReply().body, "POST / []");
}

TEST_F(HttpServerTest, RefusesChunkedBodiesOverTheLimit) {
  Start();
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string half = "1f4\r\n" + std::string(500, 'x') + "\r\n";
  for (const std::string& body : {"3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n",  // at once
                                  half + half + "1\r\nx\r\n0\r\n\r\n",                   // in its last chunk
                                  std::string("ffffffffffffffff\r\n"),                   // as it says
                                  std::string("3e9\r\n")}) {
    HttpClient client(server_->port());
    client.Send(head + body);
    EXPECT_EQ(client.ReadReply().status, 413) << body.substr(0, 20);
    EXPECT_TRUE(client.ReadEnd());
  }
}

TEST_F(HttpServerTest, RefusesLongLinesBetweenChunks) {
  Start();
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& body : {"1;" + std::string(9000, 'e'), "0\r\nTrailer: " + std::string(9000, 't')}) {
    HttpClient client(server_->port());
    client.Send(head + body);
    EXPECT_EQ(client.ReadReply().status, 431);
  }
}

TEST_F(HttpServerTest, RefusesBodiesOfTwoLengths) {
  Start();
  for (const char* headers :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: -3\r\n", "Content-Length: 3x\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n", "Transfer-Encoding: chunked\r\n\r\nzz"}) {
    HttpClient client(server_->port());
    client.Send(fmt::format("POST / HTTP/1.1\r\nHost: x\r\n{}\r\n", headers));
    EXPECT_EQ(client.ReadReply().status, 400) << headers;
    EXPECT_TRUE(client.ReadEnd());
  }
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
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 408);
  EXPECT_THAT(reply.body, HasSubstr("the header was not complete within 0.03 s"));
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"request_timeout")"));
  EXPECT_TRUE(client.ReadEnd());
}

TEST_F(HttpServerTest, ASlowBodyMeetsItsDeadline) {
  options_.body_timeout = milliseconds(30);
  Start();
  HttpClient client(server_->port());
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(client.ReadReply().status, 408);
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

TEST_F(HttpServerTest, RequestsThatComeWhileAnAnswerIsPreparedAreTheNext) {
  Start();
  HttpClient client(server_->port());
  client.SendRequest("GET", "/hold");
  ASSERT_TRUE(WaitNote("held"));
  client.Send("GET /next HTTP/1.1\r\n\r\nGET /and");
  HttpClient later(server_->port());
  later.SendRequest("GET", "/later");
  EXPECT_EQ(later.ReadReply().status, 200) << "what was sent before has been read";
  OnServer([this] { held_->Respond({.body = "held"}); });
  EXPECT_EQ(client.ReadReply().body, "held");
  EXPECT_EQ(client.ReadReply().body, "GET /next []");
  client.Send(" HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.ReadReply().body, "GET /and []");
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

TEST_F(HttpServerTest, ConnectionsOverTheLimitGetOneAnswer) {
  options_.max_connections = 2;
  Start();
  auto first = std::make_unique<HttpClient>(server_->port());
  HttpClient second(server_->port());
  for (HttpClient* client : {first.get(), &second}) {
    client->SendRequest("GET", "/");
    EXPECT_EQ(client->ReadReply().body, "GET / []");
  }
  HttpClient third(server_->port());
  third.SendRequest("GET", "/third");
  EXPECT_EQ(third.ReadReply().body, "GET /third [] crowded");
  EXPECT_TRUE(third.ReadEnd());
  third.Close();
  first->SendRequest("GET", "/gone", "", "Connection: close\r\n");
  EXPECT_EQ(first->ReadReply().status, 200);
  EXPECT_TRUE(first->ReadEnd());
  first.reset();
  // The server has seen both by the time it has answered what came later.
  second.SendRequest("GET", "/");
  EXPECT_EQ(second.ReadReply().status, 200);
  HttpClient fourth(server_->port());
  fourth.SendRequest("GET", "/fourth");
  EXPECT_EQ(fourth.ReadReply().body, "GET /fourth []");
}

TEST_F(HttpServerTest, AdmissionSeesTheHeaderAloneAndNamesTheClient) {
  options_.admit = [](HttpRequest* request) -> std::optional<HttpResponse> {
    if (request->path == "/no") return HttpResponse{.status = 403, .body = "no"};
    if (request->authorization.empty()) return std::nullopt;
    request->client = request->authorization + (request->body.empty() ? "" : " with a body");
    return std::nullopt;
  };
  Start();
  HttpClient client(server_->port());
  client.SendRequest("POST", "/client", "body");
  EXPECT_EQ(client.ReadReply().body, "127.0.0.1 ''") << "its address, where nothing is known";
  client.SendRequest("POST", "/client", "body", "Authorization: me\r\n");
  EXPECT_EQ(client.ReadReply().body, "me ''") << "the header goes no further";
  client.SendRequest("GET", "/no");
  EXPECT_EQ(client.ReadReply().body, "no");
  client.SendRequest("POST", "/no", "body");
  EXPECT_EQ(client.ReadReply().body, "no");
  EXPECT_TRUE(client.ReadEnd()) << "its body was not read";
}

}  // namespace
}  // namespace exeunt::coordinator
