#include "coordinator/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "certify/certificate.h"
#include "coordinator/cluster_plan.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ParsedConfig Parse(std::vector<const char*> args) {
  args.insert(args.begin(), {"exeunt-coordinator", "--model", "m.gguf"});
  return ParseConfig(static_cast<int>(args.size()), args.data());
}

TEST(Config, DefaultsAndOptions) {
  const Config config = Parse({}).config.value();
  EXPECT_EQ(config.port, 8080);
  EXPECT_EQ(config.kv_budget, uint64_t{2} << 30);
  EXPECT_EQ(config.default_max_tokens, 512U);
  const Config set =
      Parse({"--port", "9000", "--kv-budget", "512MiB", "--stages", "3", "--mpirun-arg", "--report-bindings",
             "--mpirun-arg=-x", "--default-exit-mode", "propagate", "--default-exit-threshold", "0.9"})
          .config.value();
  EXPECT_EQ(set.port, 9000);
  EXPECT_EQ(set.kv_budget, uint64_t{512} << 20);
  EXPECT_EQ(set.stages, 3U);
  EXPECT_THAT(set.mpirun_args, ElementsAre("--report-bindings", "-x"));
  EXPECT_EQ(DefaultExit(set).mode, ExitMode::kPropagate);
  EXPECT_EQ(DefaultExit(set).threshold, 0.9F);
}

TEST(Config, Access) {
  const Config config =
      Parse({"--cors-origin", "https://a.example", "--cors-origin", "*", "--max-header-bytes", "32KiB",
             "--tls-certificate", "c.pem", "--tls-key", "k.pem", "--api-keys", "keys",
             "--max-requests-in-flight", "7", "--http-idle-timeout", "20"})
          .config.value();
  EXPECT_THAT(config.cors_origins, ElementsAre("https://a.example", "*"));
  EXPECT_EQ(config.max_header_bytes, uint64_t{32} << 10);
  EXPECT_EQ(config.max_requests_in_flight, 7);
  EXPECT_EQ(config.http_idle_timeout_s, 20);
  for (const char* origin : {"a.example", "https://a.example/", "https://a.example/chat", "https://", "://a",
                             "https://*.example", "https://a https://b"}) {
    EXPECT_THAT(Parse({"--cors-origin", origin}).text, HasSubstr("--cors-origin")) << origin;
  }
}

TEST(Config, FileAndEnvironment) {
  const std::string path = testing::TempDir() + "exeunt_config_test.toml";
  std::ofstream(path) << "port = 9001\nmax-queue = 7\nkv-budget = \"1GiB\"\nchat-template = \"c.jinja\"\n";
  setenv("EXEUNT_MAX_SEQUENCES", "9", 1);
  setenv("EXEUNT_AUDIT_FALLBACK", "true", 1);
  const Config config = Parse({"--config", path.c_str(), "--port", "9002"}).config.value();
  unsetenv("EXEUNT_MAX_SEQUENCES");
  unsetenv("EXEUNT_AUDIT_FALLBACK");
  EXPECT_EQ(config.port, 9002) << "the command line wins";
  EXPECT_EQ(config.max_queue, 7U);
  EXPECT_EQ(config.chat_template, "c.jinja");
  EXPECT_EQ(config.kv_budget, uint64_t{1} << 30);
  EXPECT_EQ(config.max_sequences, 9);
  EXPECT_TRUE(config.audit_fallback);
  std::ofstream(path) << "prot = 9001\n";
  const ParsedConfig wrong = Parse({"--config", path.c_str()});
  EXPECT_FALSE(wrong.config);
  EXPECT_NE(wrong.exit_code, 0);
  EXPECT_THAT(wrong.text, HasSubstr("prot"));
}

TEST(Config, WhatIsWrongIsNamed) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> cases = {
      {{"--prot", "1"}, "--prot"},
      {{"--port", "70000"}, "--port"},
      {{"--stages", "0"}, "--stages"},
      {{"--kv-budget", "lots"}, "--kv-budget"},
      {{"--default-exit-mode", "verify"}, "--default-exit-mode"},
      {{"--default-exit-measure", "forced"}, "--default-exit-measure"},
      {{"--default-exit-measure", "classifier"}, "--exits"},
      {{"--canary-idle", "0"}, "--canary-idle"},
      {{"--pin-threads", "--replicas", "2"}, "--pin-threads"},
      {{"--tls-certificate", "c.pem"}, "--tls-key"},
      {{"--tls-key", "k.pem"}, "--tls-certificate"},
      {{"--max-header-bytes", "100"}, "--max-header-bytes"},
      {{"--max-header-bytes", "2MiB"}, "--max-header-bytes"},
      {{"--max-connections", "0"}, "--max-connections"},
      {{"--max-requests-in-flight", "-1"}, "--max-requests-in-flight"},
      {{"--http-body-timeout", "0"}, "--http-body-timeout"},
      {{"--stream-comment-interval", "0.5"}, "--stream-comment-interval"},
  };
  for (const auto& [args, what] : cases) {
    const ParsedConfig parsed = Parse(args);
    EXPECT_FALSE(parsed.config) << what;
    EXPECT_NE(parsed.exit_code, 0) << what;
    EXPECT_THAT(parsed.text, HasSubstr(what));
  }
  const char* no_model[] = {"exeunt-coordinator"};
  EXPECT_THAT(ParseConfig(1, no_model).text, HasSubstr("--model"));
  EXPECT_EQ(Parse({"--help"}).exit_code, 0);
  EXPECT_THAT(Parse({"--help"}).text, HasSubstr("--kv-budget"));
}

ModelConfig SmallModel() {
  ModelConfig model;
  model.n_layers = 30;
  model.d_model = 576;
  model.n_heads = 9;
  model.n_kv_heads = 3;
  model.head_dim = 64;
  model.d_ff = 1536;
  model.vocab_size = 49152;
  model.context_length = 2048;
  return model;
}

TEST(ClusterPlan, TellsWorkersAndCore) {
  Config config =
      Parse({"--stages", "3", "--threads-per-stage", "2", "--max-sequences", "5", "--pin-threads"})
          .config.value();
  ModelConfig model = SmallModel();
  const to_worker::Plan plan = MakePlan(config, model).value();
  EXPECT_EQ(plan.stages.size(), 3U);
  EXPECT_EQ(plan.threads, 2);
  EXPECT_TRUE(plan.pin_threads);
  EXPECT_EQ(plan.kv_budget_bytes, uint64_t{2} << 30);
  const CoreConfig core = MakeCoreConfig(config, model, plan, 77);
  EXPECT_EQ(core.stages, 3U);
  EXPECT_EQ(core.max_sequences, 5U);
  EXPECT_EQ(core.first_epoch, 77U);
  EXPECT_EQ(core.context_length, 2048U);
  EXPECT_GT(core.progress_timeout, std::chrono::seconds(10));
  EXPECT_LT(core.progress_timeout, std::chrono::seconds(20));
  model.d_ff = 1 << 20;
  EXPECT_GT(MakeCoreConfig(config, model, plan, 1).progress_timeout, core.progress_timeout)
      << "it scales with the cost";
}

// Requests run by the default certificate: the split is for where its tokens leave, and exits that give the
// token save the first stage no head.
TEST(ClusterPlan, SplitsForTheDefaultCertificatesTokens) {
  const std::filesystem::path exits = testing::TempDir() + "cluster_plan_exits";
  std::filesystem::create_directories(exits / "certificates");
  const std::string hash(64, 'a');
  std::ofstream(exits / "exits.json") << fmt::format(
      R"({{"format": 1, "model": "{}", "exits": [{{"layer": 8, "translator": true, "classifier": false, "outside": true}}],)"
      R"( "candidates": {{"tokens": [1, 2, 3]}}}})",
      hash);
  certify::Certificate c;
  c.name = "early";
  c.loss = "wer";
  c.delta = c.epsilon = c.watch_delta = 0.05;
  c.n = 10;
  c.data_hash = c.model_hash = c.exits_hash = hash;
  c.exit_layers = {8};
  c.setting = {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kCandidates, .threshold = 0.9F};
  c.profile = {{8, 0.75F}};
  c.max_tokens = 10;
  std::ofstream(exits / "certificates/early.json") << certify::ToJson(c);

  const ModelConfig model = SmallModel();
  const auto first = [&](std::vector<const char*> arguments) {
    return MakePlan(Parse(std::move(arguments)).config.value(), model).value().stages.at(0).end;
  };
  const std::string directory = exits.string();
  EXPECT_EQ(first({}), 19);
  EXPECT_EQ(first({"--exits", directory.c_str()}), 19);
  // 8 + 22 / 4 layers, 22 * .75 fills and a quarter of a head: half of it is within the first 9 layers.
  EXPECT_EQ(first({"--exits", directory.c_str(), "--default-certificate", "early"}), 9);
  EXPECT_EQ(first({"--exits", directory.c_str(), "--default-certificate", "early", "--split", "even"}), 15);
}

}  // namespace
}  // namespace exeunt::coordinator
