// Who is let in, and how many: keys, CORS, requests in flight, crowded connections, long prompts.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/testing/http_client.h"
#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

constexpr const char* kBody = R"({"model":"fake","prompt":"Hello"})";

HttpReply Ask(uint16_t port, const std::string& method, const std::string& path, const std::string& headers,
              const std::string& body = "") {
  HttpClient client(port);
  client.SendRequest(method, path, body, headers);
  return client.ReadReply();
}

TestServerOptions WithKeys() {
  TestServerOptions options;
  options.keys = ApiKeys::Parse("alice alice-key-aaaaaaaa\nbob bob-key-bbbbbbbbbb\n", "FILE").value();
  options.wait_ready = false;
  return options;
}

TEST(Access, AKeyIsNeededWhereThereAreKeys) {
  TestServer server(WithKeys());
  const auto ask = [&](const std::string& headers) {
    return Ask(server.port(), "GET", "/v1/models", headers);
  };
  EXPECT_EQ(ask("Authorization: Bearer alice-key-aaaaaaaa\r\n").status, 200);
  EXPECT_EQ(ask("authorization: bearer bob-key-bbbbbbbbbb\r\n").status, 200);
  for (const char* wrong : {"", "Authorization: Bearer alice-key-aaaaaaab\r\n",
                            "Authorization: alice-key-aaaaaaaa\r\n", "Authorization: Bearer \r\n"}) {
    const HttpReply reply = ask(wrong);
    EXPECT_EQ(reply.status, 401) << wrong;
    EXPECT_EQ(reply.headers.at("www-authenticate"), "Bearer");
    EXPECT_EQ(At(reply, "/error/type"), R"("invalid_request_error")");
    EXPECT_EQ(At(reply, "/error/code"), R"("invalid_api_key")");
    EXPECT_EQ(reply.body.find("alice"), std::string::npos);
  }
  EXPECT_THAT(ask("").body, HasSubstr("Authorization: Bearer KEY"));
  EXPECT_THAT(Fetch(server.port(), "GET", "/metrics").body,
              HasSubstr(R"(exeunt_http_requests_total{method="GET",route="/v1/models",status="401"} 5)"));
}

TEST(Access, EveryRouteButTheOpenOnesNeedsAKey) {
  TestServer server(WithKeys());
  for (const auto& [method, path] : Gateway::Endpoints()) {
    const bool open = path == "/healthz" || path == "/readyz" || path == "/metrics" ||
                      path == "/v1/targets" || path == "/openapi.json";
    EXPECT_EQ(Fetch(server.port(), method, path, "").status == 401, !open) << path;
  }
  EXPECT_EQ(Fetch(server.port(), "GET", "/nowhere").status, 401);
  EXPECT_EQ(Ask(server.port(), "GET", "/nowhere", "Authorization: Bearer alice-key-aaaaaaaa\r\n").status,
            404);
}

TEST(Access, AKeyIsLookedAtBeforeTheBodyComes) {
  TestServer server(WithKeys());
  HttpClient client(server.port());
  client.Send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_EQ(client.ReadReply().status, 401) << "and no 100 Continue";
  EXPECT_TRUE(client.ReadEnd());
  HttpClient without_body(server.port());
  for (int i = 0; i < 3; ++i) {
    without_body.SendRequest("GET", "/v1/models");
    const HttpReply reply = without_body.ReadReply();
    EXPECT_EQ(reply.status, 401);
    EXPECT_EQ(reply.headers.at("connection"), "keep-alive");
  }
}

TEST(Access, PreflightsNeedNoKeyAndErrorsCanBeReadByThePage) {
  TestServerOptions options = WithKeys();
  options.http.cors = CorsPolicy({"https://a.example"});
  options.http.max_body_bytes = 100;
  TestServer server(options);
  HttpClient client(server.port());
  for (const auto& [method, path] : Gateway::Endpoints()) {
    client.SendRequest("OPTIONS", path, "",
                       fmt::format("Origin: https://a.example\r\nAccess-Control-Request-Method: {}\r\n"
                                   "Access-Control-Request-Headers: authorization,content-type\r\n",
                                   method));
    const std::string head = client.ReadUntil("\r\n\r\n");
    EXPECT_THAT(head, testing::StartsWith("HTTP/1.1 204 No Content\r\n"));
    EXPECT_THAT(head, HasSubstr("Access-Control-Allow-Origin: https://a.example\r\n"));
    EXPECT_THAT(head, HasSubstr("Access-Control-Allow-Headers: authorization, content-type\r\n"));
    EXPECT_THAT(head, testing::Not(HasSubstr("Content-")));
  }
  const std::string origin = "Origin: https://a.example\r\n";
  const std::string key = "Authorization: Bearer alice-key-aaaaaaaa\r\n";
  for (const HttpReply& reply :
       {Ask(server.port(), "GET", "/v1/models", origin),
        Ask(server.port(), "GET", "/v1/models", origin + key),
        Ask(server.port(), "POST", "/v1/completions", origin + key, std::string(101, ' ')),
        Ask(server.port(), "GET", "/nowhere", origin + key)}) {
    EXPECT_EQ(reply.headers.at("access-control-allow-origin"), "https://a.example") << reply.status;
    EXPECT_EQ(reply.headers.at("vary"), "Origin");
    EXPECT_THAT(reply.headers.at("access-control-expose-headers"), HasSubstr("x-request-id"));
  }
  const HttpReply other = Ask(server.port(), "GET", "/healthz", "Origin: https://b.example\r\n");
  EXPECT_EQ(other.status, 200);
  EXPECT_FALSE(other.headers.contains("access-control-allow-origin"));
  EXPECT_EQ(Ask(server.port(), "OPTIONS", "/healthz", origin).status, 405) << "no preflight";
}

TEST(Access, MoreRequestsInFlightThanTheLimitAreRefused) {
  TestServerOptions options;
  options.cluster.reply = [](const std::string&) { return "x"; };
  options.max_requests = 2;
  TestServer server(options);
  server.cluster().generate = false;
  HttpClient stream(server.port()), plain(server.port());
  stream.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"Hello","stream":true})");
  plain.SendRequest("POST", "/v1/completions", kBody);
  ASSERT_TRUE(server.WaitCluster("/requests/running", "2"));
  for (const char* path : {"/v1/completions", "/tokenize"}) {
    const HttpReply refused = Fetch(server.port(), "POST", path, kBody);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(At(refused, "/error/code"), R"("too_many_requests")");
    EXPECT_TRUE(refused.headers.contains("retry-after"));
  }
  for (const char* path : {"/healthz", "/readyz", "/metrics", "/v1/cluster"})
    EXPECT_EQ(Fetch(server.port(), "GET", path).status, 200) << path;
  plain.Close();
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  EXPECT_EQ(Fetch(server.port(), "POST", "/tokenize", kBody).status, 200) << "who goes makes room";
  server.cluster().generate = true;
  EXPECT_EQ(stream.ReadReply().status, 200);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Fetch(server.port(), "POST", "/v1/completions", kBody).status, 200);
}

TEST(Access, ConnectionsOverTheLimitAreToldSo) {
  TestServerOptions options;
  options.http.max_connections = 1;
  options.wait_ready = false;
  TestServer server(options);
  HttpClient first(server.port());
  first.SendRequest("GET", "/v1/models");
  EXPECT_EQ(first.ReadReply().status, 200);
  HttpClient second(server.port());
  second.SendRequest("POST", "/v1/completions", kBody);
  const HttpReply refused = second.ReadReply();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(At(refused, "/error/code"), R"("too_many_connections")");
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  EXPECT_TRUE(second.ReadEnd());
  HttpClient health(server.port());
  health.SendRequest("GET", "/healthz");
  const HttpReply healthy = health.ReadReply();
  EXPECT_EQ(healthy.status, 200);
  EXPECT_EQ(healthy.headers.at("connection"), "close");
}

TEST(Access, LongPromptsAreRefused) {
  TestServerOptions options;
  options.cluster.reply = [](const std::string&) { return "x"; };
  options.max_prompt_tokens = 5;
  TestServer server(options);
  EXPECT_EQ(Fetch(server.port(), "POST", "/v1/completions", kBody).status, 200);
  const HttpReply reply =
      Fetch(server.port(), "POST", "/v1/completions", R"({"model":"fake","prompt":["Hello","Hello!"]})");
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(At(reply, "/error/param"), R"("prompt")");
  EXPECT_EQ(At(reply, "/error/code"), R"("context_length_exceeded")");
  EXPECT_THAT(reply.body, HasSubstr("6 tokens, this server takes 5"));
  const HttpReply chat = Fetch(server.port(), "POST", "/v1/chat/completions",
                               R"({"model":"fake","messages":[{"role":"user","content":"Hello"}]})");
  EXPECT_EQ(At(chat, "/error/param"), R"("messages")");
}

}  // namespace
}  // namespace exeunt::coordinator
