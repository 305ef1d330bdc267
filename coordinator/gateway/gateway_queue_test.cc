// What clients see of waiting: full queues, priorities, timeouts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

TEST(GatewayQueue, AFullQueueIs429AndQueuedRequestsAreServed) {
  TestServerOptions options = WithReply("x");
  options.core.max_sequences = 1;
  options.core.max_queue = 1;
  TestServer server(options);
  server.cluster().generate = false;
  const std::string body = R"({"model":"fake","prompt":"Hello"})";
  HttpClient running(server.port()), waiting(server.port());
  running.SendRequest("POST", "/v1/completions", body);
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  waiting.SendRequest("POST", "/v1/completions", body);
  ASSERT_TRUE(server.WaitCluster("/requests/waiting", "1"));
  const HttpReply refused = Fetch(server.port(), "POST", "/v1/completions", body);
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.headers.contains("retry-after"));
  server.cluster().generate = true;
  EXPECT_EQ(running.ReadReply().status, 200);
  EXPECT_EQ(waiting.ReadReply().status, 200);
}

TEST(GatewayQueue, PrioritiesWaitInOrderAndTheClusterShowsThem) {
  TestServerOptions options;
  options.cluster.reply = [](const std::string& prompt) { return prompt; };
  options.core.max_sequences = 1;
  TestServer server(options);
  server.cluster().generate = false;
  HttpClient running(server.port()), later(server.port()), sooner(server.port());
  running.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"a"})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  EXPECT_EQ(At(Fetch(server.port(), "GET", "/v1/cluster"), "/requests/oldest_wait_seconds"), "null");
  later.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"b","priority":7})");
  ASSERT_TRUE(server.WaitCluster("/requests/waiting", "1"));
  sooner.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"c","priority":-7,"n":2})");
  ASSERT_TRUE(server.WaitCluster("/requests/waiting_by_priority", R"({"-7":2,"7":1})"));
  const HttpReply view = Fetch(server.port(), "GET", "/v1/cluster");
  EXPECT_GT(view.Json().at_pointer("/requests/oldest_wait_seconds").as_double(), 0.0);
  server.cluster().generate = true;
  const auto waited = [](HttpClient* client) {
    const HttpReply reply = client->ReadReply();
    EXPECT_EQ(reply.status, 200);
    return reply.Json().at_pointer("/usage/queue_time").to_number<double>();
  };
  EXPECT_LT(waited(&running), waited(&sooner)) << "the longest of its two";
  EXPECT_GT(waited(&later), 0.0);
}

TEST(GatewayQueue, ATimeoutThatPassesIs408AndNotToBeTriedAgain) {
  TestServerOptions options = WithReply("");
  options.core.max_sequences = 1;
  TestServer server(options);
  server.cluster().generate = false;
  const HttpReply ran = Complete(server, R"("timeout":0.3)");
  EXPECT_THAT(ran.body, HasSubstr("passed while it was being answered"));
  HttpClient running(server.port());
  running.SendRequest("POST", "/v1/completions", R"({"model":"fake","prompt":"a"})");
  ASSERT_TRUE(server.WaitCluster("/requests/running", "1"));
  const HttpReply waited = Complete(server, R"("timeout":0.01)");
  EXPECT_THAT(waited.body, HasSubstr("passed while it waited for a place"));
  running.Close();
  for (const HttpReply& reply : {ran, waited}) {
    EXPECT_EQ(reply.status, 408);
    EXPECT_EQ(At(reply, "/error/code"), R"("deadline_exceeded")");
    EXPECT_EQ(reply.headers.at("x-should-retry"), "false");
    EXPECT_FALSE(reply.headers.contains("retry-after"));
  }
  EXPECT_TRUE(server.WaitCluster("/pipelines/0/kv/pages_reserved", "0"));
  EXPECT_THAT(Fetch(server.port(), "GET", "/metrics").body,
              HasSubstr("exeunt_request_failures_total{reason=\"deadline\"} 2"));
}

}  // namespace
}  // namespace exeunt::coordinator
