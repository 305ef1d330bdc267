// Audits over HTTP, against fake workers: what is served never changes, a certificate that no longer fits
// alarms, and with the fallback its requests then run in full.
#include "coordinator/calls/auditor.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "coordinator/testing/http_client.h"
#include "coordinator/testing/test_server.h"

namespace exeunt::coordinator {
namespace {

constexpr int kRequests = 60;

TestServerOptions Watched(const std::string& early, const std::string& full) {
  TestServerOptions options;
  options.cluster.reply = [early](const std::string&) { return early; };
  options.cluster.off_reply = [full](const std::string&) { return full; };
  certify::Certificate c;
  c.name = "small";
  c.loss = "exact_match";
  c.delta = c.watch_delta = 0.1;
  c.setting = {.mode = ExitMode::kPropagate, .threshold = 0.5F};
  c.max_tokens = 50;
  options.certificates = {c};
  options.audits = {.share = 1.0, .level = 0.05};
  return options;
}

HttpReply Ask(const TestServer& server, bool stream = false) {
  return Fetch(server.port(), "POST", "/v1/completions",
               fmt::format(R"({{"model":"fake","prompt":"Hi","stream":{},"exit":{{"certificate":"small"}}}})",
                           stream));
}

std::string Metrics(const TestServer& server) { return Fetch(server.port(), "GET", "/metrics").body; }

// -1: it is not there.
double MetricIn(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1.0 : std::stod(text.substr(at + name.size() + 2));
}

double Metric(const TestServer& server, const std::string& name) { return MetricIn(Metrics(server), name); }

// Waits (30 s at most) until it holds; false if it never does.
bool WaitUntil(const std::function<bool()>& holds) {
  for (int i = 0; i < 3000; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

bool WaitAudits(const TestServer& server, double count) {
  return WaitUntil(
      [&] { return Metric(server, R"(exeunt_audits_total{certificate="small",result="done"})") >= count; });
}

TEST(Auditor, AnswersThatAreTheFullModelsRaiseNoAlarm) {
  TestServerOptions options = Watched("same", "same");
  options.audits.fall_back = true;
  TestServer server(options);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(Ask(server, i % 2 == 0).status, 200);
  ASSERT_TRUE(WaitAudits(server, kRequests));
  EXPECT_EQ(Metric(server, R"(exeunt_audit_loss_total{certificate="small"})"), 0);
  EXPECT_EQ(Metric(server, R"(exeunt_certificate_alarm{certificate="small"})"), 0);
  // Audits are not among clients' requests: "Hi" and "same" with its end token, once each.
  EXPECT_EQ(Metric(server, R"(exeunt_request_success_total{finished_reason="stop"})"), kRequests);
  EXPECT_EQ(Metric(server, "exeunt_prompt_tokens_total"), 2 * kRequests);
  EXPECT_EQ(Metric(server, "exeunt_generation_tokens_total"), 5 * kRequests);
  EXPECT_EQ(Metric(server, "exeunt_time_to_first_token_seconds_count"), kRequests);
  EXPECT_GE(Metric(server, R"(exeunt_audit_request_success_total{finished_reason="stop"})"), kRequests);
  EXPECT_GE(Metric(server, "exeunt_audit_generation_tokens_total"), 5 * kRequests);
  EXPECT_NE(Ask(server).body.find(R"("certificate":"small")"), std::string::npos);
}

TEST(Auditor, AnswersThatDifferAlarmAndAreServedAllTheSame) {
  TestServer server(Watched("early", "full"));
  for (int i = 0; i < kRequests; ++i) {
    const HttpReply reply = Ask(server, i % 2 == 0);
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body.find("full"), std::string::npos);
  }
  ASSERT_TRUE(WaitAudits(server, kRequests));
  EXPECT_EQ(Metric(server, R"(exeunt_audit_loss_total{certificate="small"})"), kRequests);
  EXPECT_EQ(Metric(server, R"(exeunt_certificate_alarm{certificate="small"})"), 1);
  EXPECT_GE(Metric(server, R"(exeunt_certificate_evidence{certificate="small"})"), 20);
  EXPECT_NE(Ask(server).body.find(R"("text":"early")"), std::string::npos);
}

TEST(Auditor, FallbackRunsNewRequestsInFullAfterAnAlarm) {
  TestServerOptions options = Watched("early", "full");
  options.audits.fall_back = true;
  TestServer server(options);
  EXPECT_NE(Ask(server).body.find(R"("text":"early")"), std::string::npos);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(Ask(server).status, 200);
  for (int i = 0; i < 1000 && Metric(server, R"(exeunt_certificate_alarm{certificate="small"})") < 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const HttpReply reply = Ask(server);
  EXPECT_NE(reply.body.find(R"("text":"full")"), std::string::npos) << reply.body;
  EXPECT_NE(reply.body.find(R"("certificate":null,"mode":"off")"), std::string::npos) << reply.body;
}

// "early" against "exact": they agree in the first letter, and in the end token; of exit layers 12 and 30 in
// turns, the letters a, l and the end are of 30.
TEST(Auditor, TokensAreJudgedByTheLayerTheyLeftAfter) {
  TestServerOptions options = Watched("early", "exact");
  options.audits.share = 0.5;
  TestServer server(options);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(Ask(server, i % 2 == 0).status, 200);
  std::string metrics;  // of one moment
  const auto tokens = [&](int layer, bool agrees) {
    return MetricIn(
        metrics, fmt::format(R"(exeunt_audited_tokens_total{{agrees="{}",certificate="small",layer="{}"}})",
                             agrees, layer));
  };
  double audits = 0;
  // An audit counts itself before its tokens.
  EXPECT_TRUE(WaitUntil([&] {
    metrics = Metrics(server);
    audits = MetricIn(metrics, R"(exeunt_audits_total{certificate="small",result="done"})");
    return audits > 0 && tokens(12, true) == 2 * audits;
  })) << "e; each counts twice, half of the requests are audited";
  EXPECT_LT(audits, kRequests);
  EXPECT_EQ(tokens(12, false), 4 * audits) << "r, y";
  EXPECT_EQ(tokens(30, true), 2 * audits) << "the end";
  EXPECT_EQ(tokens(30, false), 4 * audits) << "a, l";
}

// The loss of a greedy answer is of its prompt: as often as it is asked for, it is one observation.
TEST(Auditor, OfTheAnswersToAPromptOneIsAudited) {
  TestServerOptions options = Watched("early", "full");
  options.certificates.push_back(options.certificates[0]);
  options.certificates[1].name = "last";
  TestServer server(options);
  const auto ask = [&](const char* fields) {
    return Fetch(server.port(), "POST", "/v1/completions", fmt::format(R"({{"model":"fake",{}}})", fields));
  };
  ASSERT_EQ(ask(R"("prompt":["a","b"],"n":16,"exit":{"certificate":"small"})").status, 200);
  ASSERT_EQ(ask(R"("prompt":"c","exit":{"certificate":"last"})").status, 200);
  ASSERT_TRUE(WaitUntil(
      [&] { return Metric(server, R"(exeunt_audits_total{certificate="last",result="done"})") == 1; }));
  EXPECT_EQ(Metric(server, R"(exeunt_audits_total{certificate="small",result="done"})"), 2);
}

// Both answers end at a stop string, "ear" and "fu"; the audit does, too, and the next one runs.
TEST(Auditor, AnAnswerInFullMayEndAtAStopString) {
  TestServerOptions options = Watched("early", "full");
  options.certificates[0].stop = {"l"};
  TestServer server(options);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(Ask(server).status, 200);
  ASSERT_TRUE(WaitAudits(server, 3));
  EXPECT_EQ(Metric(server, R"(exeunt_audit_loss_total{certificate="small"})"), 3);
  EXPECT_EQ(Metric(server, R"(exeunt_audits_total{certificate="small",result="failed"})"), 0);
}

TEST(Auditor, SampledAnswersAreNotJudgedByToken) {
  TestServerOptions options = Watched("same", "same");
  options.certificates[0].temperature = 1;
  TestServer server(options);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Ask(server).status, 200);
  ASSERT_TRUE(WaitAudits(server, 10));
  EXPECT_EQ(Fetch(server.port(), "GET", "/metrics").body.find("exeunt_audited_tokens_total{"),
            std::string::npos);
}

// A server that ends and one that begins: the alarm and its evidence are there before any new audit.
TEST(Auditor, EvidenceSurvivesARestartButNotAnotherCertificate) {
  TestServerOptions options = Watched("early", "full");
  options.audits.state_file = testing::TempDir() + "audits-" + std::to_string(getpid()) + ".json";
  std::remove(options.audits.state_file.c_str());
  double evidence = 0;
  {
    TestServer server(options);
    for (int i = 0; i < 12; ++i) {
      ASSERT_EQ(Ask(server).status, 200);
      ASSERT_TRUE(WaitAudits(server, i + 1));
    }
    evidence = Metric(server, R"(exeunt_certificate_evidence{certificate="small"})");
    ASSERT_GE(evidence, 20);
  }
  options.audits.kept = certify::LoadEvidence(options.audits.state_file).value();
  ASSERT_EQ(options.audits.kept.size(), 1U);
  EXPECT_EQ(options.audits.kept.begin()->second.state.count, 12U);
  options.audits.fall_back = true;
  {
    TestServer server(options);
    EXPECT_NEAR(Metric(server, R"(exeunt_certificate_evidence{certificate="small"})"), evidence,
                1e-4 * evidence);
    EXPECT_EQ(Metric(server, R"(exeunt_certificate_alarm{certificate="small"})"), 1);
    EXPECT_NE(Ask(server).body.find(R"("text":"full")"), std::string::npos);
  }
  const certify::Certificate first = options.certificates[0];
  options.certificates[0].delta = options.certificates[0].watch_delta = 0.2;
  {
    TestServer server(options);
    EXPECT_EQ(Metric(server, R"(exeunt_certificate_evidence{certificate="small"})"), 1);
    EXPECT_NE(Ask(server).body.find(R"("text":"early")"), std::string::npos);
    ASSERT_TRUE(WaitAudits(server, 1));
  }
  const certify::EvidenceByHash both = certify::LoadEvidence(options.audits.state_file).value();
  ASSERT_EQ(both.size(), 2U) << "the first's evidence stays";
  EXPECT_EQ(both.at(certify::CertificateHash(first)).state.count, 12U);
}

// The full answer takes longer than the request was given.
TEST(Auditor, AnAuditHasNoTimeout) {
  TestServerOptions options = Watched("same", "same");
  options.cluster.off_reply = [](const std::string&) {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    return "same";
  };
  TestServer server(options);
  ASSERT_EQ(Fetch(server.port(), "POST", "/v1/completions",
                  R"({"model":"fake","prompt":"Hi","timeout":2,"exit":{"certificate":"small"}})")
                .status,
            200);
  ASSERT_TRUE(WaitAudits(server, 1));
  EXPECT_EQ(Metric(server, R"(exeunt_audits_total{certificate="small",result="failed"})"), 0);
}

// One place. A client's request that comes with the last priority, while an audit's scores wait for
// the place, is let in before them.
TEST(Auditor, AuditsComeAfterEveryClient) {
  TestServerOptions options = Watched("same", "same");
  options.core.max_sequences = 1;
  FakeCluster* cluster = nullptr;
  std::mutex mutex;
  std::vector<std::string> opened;
  // What holds the place keeps it until the test lets it go on.
  const auto hold = [&](const char* mode) {
    return [&, mode](const std::string& prompt) {
      const std::lock_guard lock(mutex);
      opened.push_back(mode + prompt);
      if (opened.size() > 1) cluster->generate = false;
      return "same";
    };
  };
  options.cluster.reply = hold("early ");
  options.cluster.off_reply = hold("full ");
  TestServer server(options);
  cluster = &server.cluster();
  const auto holds = [&](size_t count) {
    return WaitUntil([&] {
      const std::lock_guard lock(mutex);
      return opened.size() == count && !cluster->generate;
    });
  };
  const auto body = [](const std::string& prompt) {
    return fmt::format(R"({{"model":"fake","prompt":"{}","priority":100,"exit":{{"mode":"propagate"}}}})",
                       prompt);
  };
  ASSERT_EQ(Ask(server).status, 200);
  ASSERT_TRUE(holds(2));  // its audit
  HttpClient first(server.port()), second(server.port());
  first.SendRequest("POST", "/v1/completions", body("first"));
  ASSERT_TRUE(server.WaitCluster("/requests/waiting_by_priority", R"({"100":1})"));
  cluster->generate = true;
  ASSERT_TRUE(holds(3));  // the first client's, and the audit's scores wait
  ASSERT_TRUE(server.WaitCluster("/requests/waiting_by_priority", R"({"101":1})"));
  second.SendRequest("POST", "/v1/completions", body("second"));
  ASSERT_TRUE(server.WaitCluster("/requests/waiting_by_priority", R"({"100":1,"101":1})"));
  for (const size_t next : {size_t{4}, size_t{5}}) {
    cluster->generate = true;
    ASSERT_TRUE(holds(next));
  }
  cluster->generate = true;
  EXPECT_EQ(first.ReadReply().status, 200);
  EXPECT_EQ(second.ReadReply().status, 200);
  const std::lock_guard lock(mutex);
  EXPECT_THAT(opened,
              testing::ElementsAre("early Hi", "full Hi", "early first", "early second", "full Hisame"));
}

TEST(Auditor, OfNoShareNothingIsRunAgain) {
  TestServerOptions options = Watched("early", "full");
  options.audits.share = 0;
  TestServer server(options);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(Ask(server).status, 200);
  EXPECT_EQ(Metric(server, R"(exeunt_audits_total{certificate="small",result="done"})"), 0);
}

}  // namespace
}  // namespace exeunt::coordinator
