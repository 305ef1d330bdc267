// The HTTP server over TLS, with a certificate of its own making.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/tls_context.h"
#include "coordinator/testing/http_client.h"
#include "coordinator/testing/self_signed.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

struct CertificateFiles {
  explicit CertificateFiles(const std::string& name)
      : certificate(testing::TempDir() + name + ".pem"), key(testing::TempDir() + name + ".key") {
    std::ofstream(certificate) << pem.certificate_pem;
    std::ofstream(key) << pem.key_pem;
  }
  SelfSigned pem = MakeSelfSigned();
  std::string certificate;
  std::string key;
};

class HttpsTest : public testing::Test {
 protected:
  HttpsTest() {
    options_.host = "127.0.0.1";
    options_.port = 0;
  }
  void Start() {
    server_ =
        HttpServer::Listen(&io_, options_, [this](auto exchange) { Handle(std::move(exchange)); }).value();
    server_->SetTls(LoadTlsContext(files_.certificate, files_.key).value());
    thread_ = std::thread([this] { io_.run(); });
  }
  ~HttpsTest() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }
  // "/hold": the answer waits for `release_`, more of the request's connection may come; else an echo.
  void Handle(std::shared_ptr<HttpExchange> exchange) {
    const HttpRequest& request = exchange->request();
    if (request.path == "/hold") {
      exchange->on_gone = [this] { gone_.set_value(); };
      held_ = exchange;
      return holds_.set_value();
    }
    exchange->Respond({.body = fmt::format("{} {} {} [{}]", request.encrypted ? "https" : "http",
                                           request.client, request.path, request.body)});
  }

  const CertificateFiles files_{"https_test"};
  HttpServerOptions options_;
  boost::asio::io_context io_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
  std::shared_ptr<HttpExchange> held_;
  std::promise<void> holds_, gone_;
};

TEST_F(HttpsTest, ManyRequestsOnOneConnection) {
  Start();
  HttpClient client(server_->port(), files_.pem.certificate_pem);
  const std::string large(100'000, 'x');  // many records
  for (const std::string& body : {std::string("a"), large, std::string("b")}) {
    client.SendRequest("POST", "/a", body);
    const HttpReply reply = client.ReadReply();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, fmt::format("https 127.0.0.1 /a [{}]", body));
  }
  client.SendRequest("GET", "/end", "", "Connection: close\r\n");
  EXPECT_EQ(client.ReadReply().status, 200);
  EXPECT_TRUE(client.ReadEnd()) << "with a close_notify";
}

// The session reads while an answer is prepared: nothing of what comes then may be lost.
TEST_F(HttpsTest, RequestsThatComeWhileAnAnswerIsPrepared) {
  Start();
  HttpClient client(server_->port(), files_.pem.certificate_pem);
  client.SendRequest("GET", "/hold");
  ASSERT_EQ(holds_.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  client.Send("POST /next HTTP/1.1\r\nContent-Le");
  HttpClient later(server_->port(), files_.pem.certificate_pem);
  later.SendRequest("GET", "/later");
  EXPECT_EQ(later.ReadReply().status, 200) << "what was sent before has been read";
  boost::asio::post(io_, [this] { held_->Respond({.body = "held"}); });
  EXPECT_EQ(client.ReadReply().body, "held");
  client.Send("ngth: 3\r\n\r\nabc");
  EXPECT_EQ(client.ReadReply().body, "https 127.0.0.1 /next [abc]");
}

TEST_F(HttpsTest, NoticesThatAClientGoes) {
  Start();
  HttpClient client(server_->port(), files_.pem.certificate_pem);
  client.SendRequest("GET", "/hold");
  ASSERT_EQ(holds_.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  client.Close();
  EXPECT_EQ(gone_.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
}

TEST_F(HttpsTest, PlainHttpDoesNoHarm) {
  Start();
  HttpClient plain(server_->port());
  plain.SendRequest("GET", "/");
  EXPECT_TRUE(plain.ReadEnd());
  HttpClient client(server_->port(), files_.pem.certificate_pem);
  client.SendRequest("GET", "/");
  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST_F(HttpsTest, ASlowHandshakeMeetsItsDeadline) {
  options_.header_timeout = std::chrono::milliseconds(30);
  Start();
  HttpClient silent(server_->port());
  EXPECT_TRUE(silent.ReadEnd());
}

TEST_F(HttpsTest, ANewCertificateIsForNewConnections) {
  Start();
  HttpClient before(server_->port(), files_.pem.certificate_pem);
  before.SendRequest("GET", "/");
  EXPECT_EQ(before.ReadReply().status, 200);
  const CertificateFiles fresh("https_test_fresh");
  boost::asio::post(io_, [&] { server_->SetTls(LoadTlsContext(fresh.certificate, fresh.key).value()); });
  before.SendRequest("GET", "/");
  EXPECT_EQ(before.ReadReply().status, 200) << "the old connection goes on";
  HttpClient after(server_->port(), fresh.pem.certificate_pem);
  after.SendRequest("GET", "/");
  EXPECT_EQ(after.ReadReply().status, 200);
  EXPECT_THROW(HttpClient(server_->port(), files_.pem.certificate_pem), boost::system::system_error);
}

TEST(TlsContext, ErrorsNameTheFile) {
  const CertificateFiles one("tls_context_one"), two("tls_context_two");
  EXPECT_TRUE(LoadTlsContext(one.certificate, one.key));
  const auto fault = [](const std::string& certificate, const std::string& key) {
    const auto tls = LoadTlsContext(certificate, key);
    return tls ? "none" : tls.error().message;
  };
  EXPECT_THAT(fault("/not/there.pem", one.key), HasSubstr("'/not/there.pem' cannot be read"));
  EXPECT_THAT(fault(one.certificate, "/not/there.key"), HasSubstr("'/not/there.key' cannot be read"));
  EXPECT_THAT(fault(one.key, one.key), HasSubstr("certificate '" + one.key));
  EXPECT_THAT(fault(one.certificate, one.certificate), HasSubstr("private key '" + one.certificate));
  EXPECT_THAT(fault(one.certificate, two.key), HasSubstr("key values mismatch"));
}

}  // namespace
}  // namespace exeunt::coordinator
