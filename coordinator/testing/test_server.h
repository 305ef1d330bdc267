// TestServer is a gateway, a driver and a FakeCluster on their own thread, for tests over HTTP.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "coordinator/gateway/gateway.h"
#include "coordinator/gateway/http_server.h"
#include "coordinator/testing/http_client.h"
#include "coordinator/testing/test_cluster.h"

namespace exeunt::coordinator {

struct TestServerOptions {
  CoreConfig core;
  HttpServerOptions http;
  FakeClusterOptions cluster;
  std::vector<certify::Certificate> certificates;
  std::string default_certificate;
  AuditOptions audits;
  ApiKeys keys;
  Duration stream_comment_interval{0};
  int max_requests = 0;
  uint32_t max_prompt_tokens = 0;
  text::ChatTemplateText chat_template = FakeChatTemplate();
  bool wait_ready = true;
  TestServerOptions();
};

// Every prompt is answered with `reply`.
TestServerOptions WithReply(const std::string& reply);

class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {});
  ~TestServer();
  uint16_t port() const { return http_->port(); }
  FakeCluster& cluster() { return cluster_.workers(); }
  void Drain();
  // Waits for at most 30 s until /v1/cluster has `value` at a JSON pointer. Returns false if it never has.
  bool WaitCluster(const std::string& pointer, const std::string& value);

 private:
  TestCluster cluster_;
  HttpMetrics http_metrics_;
  ApiKeys keys_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<HttpServer> http_;
  std::thread thread_;
};

// Sends a completion of "Hello" with further fields of the body, at least one.
HttpReply Complete(const TestServer& server, const std::string& fields);

}  // namespace exeunt::coordinator
