// The forms in which clients and proxies write the same request: HEAD, absolute targets, case and spacing of
// header values; and those that are refused because two readers might take them differently.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/testing/http_client.h"
#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TestServerOptions Small() {
  TestServerOptions options;
  options.wait_ready = false;
  options.http.max_header_bytes = 2000;
  return options;
}

// Status and headers; nothing of a body is waited for.
std::string HeadOf(HttpClient* client, const std::string& request) {
  client->Send(request);
  return client->ReadUntil("\r\n\r\n");
}

std::string HeadOf(const TestServer& server, const std::string& request) {
  HttpClient client(server.port());
  return HeadOf(&client, request);
}

HttpReply ReplyTo(const TestServer& server, const std::string& request) {
  HttpClient client(server.port());
  client.Send(request);
  return client.ReadReply();
}

constexpr const char* kBody = R"({"prompt":"ab"})";

std::string Tokenize(const std::string& headers) {
  return fmt::format("POST /tokenize HTTP/1.1\r\nHost: x\r\n{}Content-Length: {}\r\n\r\n{}", headers,
                     std::string_view(kBody).size(), kBody);
}

// Without the lines that differ from one answer to the next.
std::string Comparable(const std::string& head) {
  std::string lines;
  for (size_t at = 0; at < head.size();) {
    const size_t end = head.find("\r\n", at) + 2;
    if (head.compare(at, 13, "x-request-id:") != 0) lines += head.substr(at, end - at);
    at = end;
  }
  return lines;
}

TEST(HttpForms, HeadHasTheHeadersOfGetAndNoBody) {
  TestServer server;  // ready: its answers change no more
  HttpClient head(server.port()), get(server.port());
  for (const char* target : {"/healthz", "/readyz", "/v1/models", "/v1/models/default", "/v1/models/other",
                             "/openapi.json", "/v1/targets", "http://x/healthz?y"}) {
    const std::string rest = fmt::format(" {} HTTP/1.1\r\nHost: x\r\n\r\n", target);
    const std::string of_head = HeadOf(&head, "HEAD" + rest);
    get.Send("GET" + rest);
    const std::string of_get = get.ReadUntil("\r\n\r\n");
    const size_t length = std::stoul(of_get.substr(of_get.find("Content-Length: ") + 16));
    EXPECT_GT(length, 0U);
    get.Send("GET /end HTTP/1.1\r\n\r\n");  // shows where the answer ends
    EXPECT_EQ(get.ReadUntil("HTTP/1.1 404").size(), length + 12) << target;
    get.ReadUntil("\"unknown_url\"}}");
    EXPECT_EQ(Comparable(of_head), Comparable(of_get)) << target;
    EXPECT_THAT(of_head, HasSubstr("Connection: keep-alive\r\n")) << target;
  }
  head.SendRequest("GET", "/healthz");
  EXPECT_EQ(head.ReadReply().body, R"({"status":"ok"})") << "no byte of a body came between";
}

TEST(HttpForms, ErrorsOfHeadHaveNoBodyEither) {
  TestServerOptions options = Small();
  options.keys = ApiKeys::Parse("alice alice-key-aaaaaaaa\n", "FILE").value();
  options.http.header_timeout = std::chrono::seconds(1);
  options.core.canary_timeout = options.core.progress_timeout = std::chrono::hours(1);
  TestServer server(options);
  server.cluster().generate = false;  // the canary does not come back: no pipeline is ready
  const std::string key = "Authorization: Bearer alice-key-aaaaaaaa\r\n";
  for (const auto& [status, request] : std::vector<std::pair<int, std::string>>{
           {401, "HEAD /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n"},
           {404, "HEAD /x HTTP/1.1\r\nConnection: close\r\n" + key + "\r\n"},
           {405, "HEAD /v1/completions HTTP/1.1\r\nConnection: close\r\n" + key + "\r\n"},
           {503, "HEAD /readyz HTTP/1.1\r\nConnection: close\r\n\r\n"},
           {200, "HEAD /healthz HTTP/1.0\r\n\r\n"},
           {431, "HEAD /x HTTP/1.1\r\na: " + std::string(3000, 'x') + "\r\n\r\n"},
           {431, "HEAD /x HTTP/1.1\r\na: " + std::string(3000, 'x')},
           {400, "HEAD /x HTTP/1.1\r\nContent-Length: x\r\n\r\n"},
           {400, "HEAD /x HTTP/1.1\nHost: x\n\n"},
           {413, "HEAD /healthz HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"},
           {408, "HEAD /healthz HT"}}) {
    HttpClient client(server.port());
    const std::string head = HeadOf(&client, request);
    EXPECT_THAT(head, StartsWith(fmt::format("HTTP/1.1 {} ", status)));
    EXPECT_THAT(head, HasSubstr("Content-Length: ")) << request.substr(0, 60);
    EXPECT_TRUE(client.ReadEnd());
    EXPECT_EQ(client.unread(), "") << request.substr(0, 60);
  }
  EXPECT_THAT(Fetch(server.port(), "GET", "/metrics").body,
              HasSubstr(R"(exeunt_http_requests_total{method="HEAD",route="/healthz",status="200"} 1)"));
}

TEST(HttpForms, WhatAPathAllowsIsSaid) {
  TestServer server(Small());
  const auto allow = [&](const std::string& method, const std::string& path) {
    const HttpReply reply = Fetch(server.port(), method, path, "{}");
    return fmt::format("{} {}", reply.status, reply.headers.at("allow"));
  };
  EXPECT_EQ(allow("DELETE", "/v1/models"), "405 GET, HEAD");
  EXPECT_EQ(allow("POST", "/healthz"), "405 GET, HEAD");
  EXPECT_EQ(allow("GET", "/tokenize"), "405 POST");
  EXPECT_EQ(allow("OPTIONS", "*"), "204 GET, HEAD, POST");
}

TEST(HttpForms, AbsoluteTargetsAreThisServers) {
  TestServer server(Small());
  for (const char* target :
       {"http://localhost:8080/v1/models", "HTTPS://proxy.example/v1/models?a=http://b/c",
        "http://[::1]/v1/models#x", "/v1/%6dodels", "/v1/models/", "/v1/models/?x",
        "http://h/v1/models/default/", "/v1/models/d%65fault"}) {
    EXPECT_EQ(ReplyTo(server, fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target)).status, 200)
        << target;
  }
  for (const char* target :
       {"//v1/models", "/v1//models", "/v1/models/%2564efault", "http://host", "v1/models", "/%ff%00"})
    EXPECT_EQ(ReplyTo(server, fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target)).status, 404)
        << target;
  for (const char* target : {"ftp://host/v1/models", "http:///v1/models", "file:///etc/passwd"})
    EXPECT_EQ(ReplyTo(server, fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target)).status, 400)
        << target;
  const HttpReply targets = ReplyTo(server, "GET http://named:99/v1/targets HTTP/1.1\r\nHost: other\r\n\r\n");
  EXPECT_EQ(At(targets, "/0/targets/0"), R"("named:99")") << "the target's host goes before the header";
}

TEST(HttpForms, ConnectIsRefusedAndEndsTheConnection) {
  TestServer server(Small());
  HttpClient client(server.port());
  client.Send("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n\x16\x03\x01 hello");
  const HttpReply reply = client.ReadReply();
  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.headers.at("connection"), "close");
  EXPECT_TRUE(client.ReadEnd());
}

TEST(HttpForms, MediaTypesInAnyCase) {
  TestServer server(Small());
  for (const char* type :
       {"Content-Type: Application/JSON; Charset=UTF-8\r\n",
        "content-type:application/json;charset=utf-8\r\n", "CONTENT-TYPE:\tAPPLICATION/JSON \t\r\n",
        "Content-Type: application/vnd.api+json\r\n", "", "Content-Encoding: Identity\r\n",
        "Accept: text/html\r\nAccept-Encoding: gzip, br\r\n"}) {
    EXPECT_EQ(ReplyTo(server, Tokenize(type)).status, 200) << type;
  }
  for (const char* type :
       {"Content-Type: text/plain\r\n", "Content-Type: text/plain;x=application/json\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Encoding: gzip\r\n"}) {
    const HttpReply reply = ReplyTo(server, Tokenize(type));
    EXPECT_EQ(reply.status, 415) << type;
    EXPECT_THAT(reply.body, HasSubstr("must be"));
  }
}

TEST(HttpForms, TokensOfHeadersInAnyCase) {
  TestServerOptions options = Small();
  options.keys = ApiKeys::Parse("alice alice-key-aaaaaaaa\n", "FILE").value();
  TestServer server(options);
  for (const char* scheme : {"Bearer ", "BEARER ", "bearer\t", "bEaReR  \t "}) {
    const std::string head = HeadOf(
        server,
        fmt::format("GET /v1/models HTTP/1.1\r\nAuthorization:\t{}alice-key-aaaaaaaa \r\n\r\n", scheme));
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 ")) << scheme;
  }
  for (const char* connection : {"Close", "CLOSE", "Keep-Alive, Close", "foo ,\tcLoSe"}) {
    const std::string head =
        HeadOf(server, fmt::format("GET /healthz HTTP/1.1\r\nConnection: {}\r\n\r\n", connection));
    EXPECT_THAT(head, HasSubstr("Connection: close\r\n")) << connection;
  }
  for (const char* connection : {"Keep-Alive", "KEEP-ALIVE", "foo, keep-alive"}) {
    const std::string head =
        HeadOf(server, fmt::format("GET /healthz HTTP/1.0\r\nConnection: {}\r\n\r\n", connection));
    EXPECT_THAT(head, HasSubstr("Connection: keep-alive\r\n")) << connection;
  }
}

TEST(HttpForms, BodiesComeInAnyForm) {
  TestServer server(Small());
  for (const char* coding : {"Transfer-Encoding: Chunked\r\n", "transfer-encoding:\tCHUNKED \r\n",
                             "TRANSFER-ENCODING: chunked\r\n"}) {
    const std::string request =
        fmt::format("POST /tokenize HTTP/1.1\r\n{}\r\nF\r\n{}\r\n0\r\n\r\n", coding, kBody);
    EXPECT_EQ(ReplyTo(server, request).status, 200) << coding;
  }
  for (const char* expect : {"100-Continue", "100-CONTINUE", " 100-continue ,"}) {
    HttpClient client(server.port());
    client.Send(fmt::format("POST /tokenize HTTP/1.1\r\nExpect: {}\r\nContent-Length: 15\r\n\r\n", expect));
    EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n") << expect;
    client.Send(kBody);
    EXPECT_EQ(client.ReadReply().status, 200);
  }
  HttpClient old(server.port());  // HTTP/1.0 has no 100 Continue
  old.Send("POST /tokenize HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 15\r\n\r\n");
  old.Send(kBody);
  EXPECT_EQ(old.ReadReply().status, 200);
}

TEST(HttpForms, EmptyLinesBeforeARequestAreSkipped) {
  TestServer server(Small());
  HttpClient client(server.port());
  for (const char* lines : {"", "\r\n", "\r\n\r\n\r\n"}) {
    client.Send(lines + Tokenize(""));
    EXPECT_EQ(client.ReadReply().status, 200);
  }
  client.Send("\r");
  EXPECT_EQ(Fetch(server.port(), "GET", "/healthz").status, 200) << "what was sent before has been read";
  client.Send("\nGET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.ReadReply().status, 200);
}

TEST(HttpForms, WhatTwoReadersMightTakeDifferentlyIsRefused) {
  TestServer server(Small());
  for (const char* request :
       {"GET /healthz HTTP/1.1\nHost: x\n\n", "GET /healthz HTTP/1.1\r\nHost: x\n\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: +15\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: 1 5\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length: 15, 16\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nContent-Length : 15\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /tokenize HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nx-\xC3\xA9: a\r\n\r\n", "GET /healthz HTTP/2.0\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n"}) {
    HttpClient client(server.port());
    client.Send(request);
    const HttpReply reply = client.ReadReply();
    EXPECT_EQ(reply.status, 400) << request;
    EXPECT_TRUE(client.ReadEnd()) << request;
  }
}

TEST(HttpForms, WhatPeersAcceptIsAccepted) {
  TestServer server(Small());
  for (const char* headers : {"x-title: caf\xC3\xA9 \xFF\r\n", "x-folded: a\r\n b\r\n\tc\r\n", "x-empty:\r\n",
                              "content-length: 0\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n"}) {
    EXPECT_EQ(ReplyTo(server, fmt::format("GET /healthz HTTP/1.1\r\n{}\r\n", headers)).status, 200)
        << headers;
  }
}

}  // namespace
}  // namespace exeunt::coordinator
