#include "tools/http_get.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <thread>

namespace exeunt::tools {
namespace {

using boost::asio::ip::tcp;

TEST(HttpGet, TakesAddressesApart) {
  const auto parse = [](const char* url) {
    const auto address = ParseHttpAddress(url);
    return address ? address->host + " " + address->port + (address->tls ? " tls" : "")
                   : "error: " + address.error().message;
  };
  EXPECT_EQ(parse("http://example.org:8080"), "example.org 8080");
  EXPECT_EQ(parse("127.0.0.1:80/"), "127.0.0.1 80");
  EXPECT_EQ(parse("host"), "host 80");
  EXPECT_EQ(parse("http://[::1]:9000"), "::1 9000");
  EXPECT_EQ(parse("http://[::1]"), "::1 80");
  EXPECT_EQ(parse("https://host"), "host 443 tls");
  EXPECT_EQ(parse("https://[::1]:9000/"), "::1 9000 tls");
  EXPECT_EQ(parse("ftp://host"), "error: 'ftp://host': only http:// and https:// are understood");
  EXPECT_EQ(parse("http://host/v1"), "error: 'http://host/v1': it must not have a path");
  EXPECT_EQ(parse("http://host:port"), "error: 'http://host:port' is no http[s]://HOST:PORT");
  EXPECT_EQ(parse(""), "error: '' is no http[s]://HOST:PORT");
}

TEST(HttpGet, SendsTheKeyAndReadsTheAnswer) {
  boost::asio::io_context io;
  tcp::acceptor acceptor(io, {boost::asio::ip::address_v4::loopback(), 0});
  std::string request;
  std::thread server([&] {
    tcp::socket socket = acceptor.accept();
    char bytes[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      request.append(bytes, socket.read_some(boost::asio::buffer(bytes)));
    }
    boost::asio::write(
        socket, boost::asio::buffer(std::string("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")));
  });
  const HttpAddress address{"127.0.0.1", std::to_string(acceptor.local_endpoint().port())};
  const auto answer = HttpGet(address, "/v1/cluster", {.bearer = "key", .limit = std::chrono::seconds(20)});
  server.join();
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "no");
  EXPECT_NE(request.find("GET /v1/cluster HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(request.find("Authorization: Bearer key\r\n"), std::string::npos);
}

TEST(HttpGet, EndsWhereNobodyAnswers) {
  boost::asio::io_context io;
  tcp::acceptor silent(io, {boost::asio::ip::address_v4::loopback(), 0});
  HttpAddress address{"127.0.0.1", std::to_string(silent.local_endpoint().port())};
  const auto get = [&](Duration limit, bool stop) {
    const auto answer = HttpGet(address, "/", {.limit = limit, .stop = [stop] { return stop; }});
    return answer ? "an answer" : answer.error().message;
  };
  EXPECT_EQ(get(std::chrono::milliseconds(200), false), "no answer within 0 s");
  EXPECT_EQ(get(std::chrono::seconds(100), true), "interrupted");
  silent.close();
  EXPECT_EQ(get(std::chrono::seconds(20), false), "Connection refused");
}

TEST(HttpGet, CertificatesThatCannotBeReadAreNamed) {
  const auto answer = HttpGet({"127.0.0.1", "1", true}, "/", {.ca_file = "/not/there.pem"});
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("'/not/there.pem'"), std::string::npos) << answer.error().message;
}

}  // namespace
}  // namespace exeunt::tools
