#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "coordinator/core/testing/core_harness.h"
#include "coordinator/metrics/http_metrics.h"
#include "coordinator/metrics/request_metrics.h"
#include "coordinator/metrics/stage_metrics.h"
#include "transport/report_buckets.h"

namespace exeunt::coordinator {
namespace {

using testing::HasSubstr;

std::string Text(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

to_worker::Plan TwoStages() {
  to_worker::Plan plan;
  plan.stages = {{0, 12}, {12, 30}};
  plan.exit_layers = {10, 12};
  return plan;
}

TimePoint At(double seconds) { return TimePoint{} + FromSeconds(seconds); }

// A sequence from its arrival at 100 s to its end at 102.5 s: 1 s in the queue, .5 s to its first token,
// which left after layer 12, 1 s to its second, which did not.
void Serve(RequestMetrics* metrics, Traffic traffic, EndReason reason, uint32_t choice = 0) {
  SequenceLife life{
      .traffic = traffic, .prompt_tokens = 7, .max_tokens = 16, .choice = choice, .arrived = At(100)};
  metrics->Submitted(traffic);
  metrics->Admitted(At(101), /*cached_tokens=*/3, &life);
  metrics->Token(At(101.5), 12, &life);
  metrics->Token(At(102.5), 30, &life);
  metrics->Finished(At(102.5), reason, life);
}

TEST(RequestMetrics, CountsASequencesLife) {
  prometheus::Registry registry;
  RequestMetrics metrics(&registry, TwoStages());
  metrics.Asked(2);
  Serve(&metrics, Traffic::kClient, EndReason::kStop);
  Serve(&metrics, Traffic::kClient, EndReason::kLength, /*choice=*/1);
  const std::string text = Text(registry);
  for (const char* line : {"exeunt_request_success_total{finished_reason=\"stop\"} 1",
                           "exeunt_request_params_n_sum 2",
                           "exeunt_request_success_total{finished_reason=\"length\"} 1",
                           "exeunt_request_success_total{finished_reason=\"abort\"} 0",
                           "exeunt_request_failures_total{reason=\"queue_full\"} 0",
                           "exeunt_prompt_tokens_total 7",  // the prompt of both choices
                           "exeunt_prefix_cache_queries_total 14",
                           "exeunt_prefix_cache_hits_total 6",
                           "exeunt_generation_tokens_total 4",
                           "exeunt_request_exits_total{layer=\"10\"} 0",
                           "exeunt_request_exits_total{layer=\"12\"} 2",
                           "exeunt_request_exits_total{layer=\"30\"} 2",
                           "exeunt_request_layers_skipped_total 36",
                           "exeunt_time_to_first_token_seconds_sum 3\n",
                           "exeunt_inter_token_latency_seconds_sum 2\n",
                           "exeunt_e2e_request_latency_seconds_sum 5\n",
                           "exeunt_request_queue_time_seconds_sum 2\n",
                           "exeunt_request_prefill_time_seconds_sum 1\n",
                           "exeunt_request_decode_time_seconds_sum 2\n",
                           "exeunt_request_inference_time_seconds_sum 3\n",
                           "exeunt_request_prompt_tokens_sum 14",
                           "exeunt_request_generation_tokens_sum 4",
                           "exeunt_request_params_max_tokens_sum 32",
                           "exeunt_requests_running 0",
                           "exeunt_requests_waiting 0"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  const auto totals = metrics.ClientTotals();
  EXPECT_EQ(totals.generation_tokens, 4);
  EXPECT_EQ(totals.layers_skipped, 36);
  EXPECT_EQ(totals.finished, 2);
}

TEST(RequestMetrics, AuditsAreCountedApart) {
  prometheus::Registry registry;
  RequestMetrics metrics(&registry, TwoStages());
  Serve(&metrics, Traffic::kAudit, EndReason::kStop);
  const std::string text = Text(registry);
  for (const char* line :
       {"exeunt_request_success_total{finished_reason=\"stop\"} 0", "\nexeunt_prompt_tokens_total 0",
        "exeunt_generation_tokens_total 0", "exeunt_request_exits_total{layer=\"12\"} 0",
        "exeunt_time_to_first_token_seconds_count 0", "exeunt_inter_token_latency_seconds_count 0",
        "exeunt_e2e_request_latency_seconds_count 0", "exeunt_request_queue_time_seconds_count 0",
        "exeunt_audit_request_success_total{finished_reason=\"stop\"} 1",
        "exeunt_audit_prompt_tokens_total 7", "exeunt_audit_generation_tokens_total 2"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(RequestMetrics, WhatFailsOrGoesHasNoLatencyAndLeavesItsPlace) {
  prometheus::Registry registry;
  RequestMetrics metrics(&registry, TwoStages());
  Serve(&metrics, Traffic::kClient, EndReason::kCancelled);
  SequenceLife refused{.arrived = At(100)};
  metrics.Submitted(Traffic::kClient);
  EXPECT_THAT(Text(registry), HasSubstr("exeunt_requests_waiting 1"));
  metrics.Failed(FailureKind::kQueueFull, refused);
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("exeunt_request_success_total{finished_reason=\"abort\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_request_failures_total{reason=\"queue_full\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_e2e_request_latency_seconds_count 0"));
  EXPECT_THAT(text, HasSubstr("exeunt_requests_waiting 0"));
  EXPECT_THAT(text, HasSubstr("exeunt_requests_running 0"));
}

TEST(HttpMetrics, CountsByRouteMethodAndStatus) {
  prometheus::Registry registry;
  HttpMetrics metrics(&registry);
  HttpMetrics::Route* route = metrics.Of("/v1/completions", "POST");
  route->Began(100);
  EXPECT_THAT(Text(registry), HasSubstr("exeunt_http_requests_in_flight 1"));
  route->Sent(30);
  route->Ended(200, std::chrono::milliseconds(300));
  metrics.Of("/v1/completions", "BREW")->Began(0);
  metrics.Refused(413);
  const std::string text = Text(registry);
  for (const char* line :
       {"exeunt_http_requests_total{method=\"POST\",route=\"/v1/completions\",status=\"200\"} 1",
        "exeunt_http_requests_total{method=\"other\",route=\"none\",status=\"413\"} 1",
        "exeunt_http_request_body_bytes_total{method=\"POST\",route=\"/v1/completions\"} 100",
        "exeunt_http_response_body_bytes_total{method=\"POST\",route=\"/v1/completions\"} 30",
        "exeunt_http_request_body_bytes_total{method=\"other\",route=\"/v1/completions\"} 0",
        "exeunt_http_request_duration_seconds_bucket{method=\"POST\",route=\"/v1/completions\",le=\"0.5\"} 1",
        "exeunt_http_requests_in_flight 1"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(StageMetrics, TotalsOutliveARestart) {
  prometheus::Registry registry;
  StageMetrics metrics(&registry, 2, TwoStages());
  from_worker::StageReport report;
  report.live_rows = 10;
  report.busy_seconds = 1.5;
  report.backlog_rows = 3;
  report.step_rows.resize(transport::kStepRowsBounds.size() + 1, 0);
  report.step_rows[1] = 5;  // of two rows
  report.exits = {{10, 4}};
  metrics.Report(1, 100, 0, report);
  report.live_rows = 15;
  report.exits[0].count = 6;
  metrics.Report(1, 100, 0, report);
  EXPECT_THAT(Text(registry),
              HasSubstr("exeunt_stage_rows_total{kind=\"live\",replica=\"1\",stage=\"0\"} 15"));
  report.live_rows = 2;
  report.step_rows[1] = 1;
  report.exits[0].count = 1;
  metrics.Report(1, 101, 0, report);
  const std::string text = Text(registry);
  for (const char* line :
       {"exeunt_stage_rows_total{kind=\"live\",replica=\"1\",stage=\"0\"} 17",
        "exeunt_stage_rows_total{kind=\"live\",replica=\"0\",stage=\"1\"} 0",
        "exeunt_exits_total{layer=\"10\",replica=\"1\",stage=\"0\"} 7",
        "exeunt_exits_total{layer=\"12\",replica=\"1\",stage=\"0\"} 0",
        "exeunt_exits_total{layer=\"30\",replica=\"1\",stage=\"1\"} 0",
        "exeunt_stage_layers_skipped_total{replica=\"1\",stage=\"0\"} 14",   // layers 10 and 11
        "exeunt_stage_layers_skipped_total{replica=\"1\",stage=\"1\"} 126",  // all 18 of them
        "exeunt_stage_layers_skipped_total{replica=\"0\",stage=\"1\"} 0",
        "exeunt_stage_busy_seconds_total{replica=\"1\",stage=\"0\"} 3",
        "exeunt_stage_backlog_rows{replica=\"1\",stage=\"0\"} 3",
        "exeunt_stage_step_rows_count{replica=\"1\",stage=\"0\"} 6",
        "exeunt_stage_step_rows_sum{replica=\"1\",stage=\"0\"} 17",
        "exeunt_stage_step_rows_bucket{replica=\"1\",stage=\"0\",le=\"1\"} 0",
        "exeunt_stage_step_rows_bucket{replica=\"1\",stage=\"0\",le=\"2\"} 6",
        "exeunt_stage_layers{replica=\"1\",stage=\"1\"} 18",
        "exeunt_stage_info{layers=\"12-30\",replica=\"1\",stage=\"1\"} 1", "exeunt_model_layers 30"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(StageMetrics, TakesTheLevelsFromTheCore) {
  CoreConfig config;
  config.stages = 2;
  config.context_length = 1000;
  CoreHarness h(config);
  h.BringUp(/*pages=*/10);
  h.Arrive(16, 16);
  h.now = h.now + std::chrono::seconds(2);
  prometheus::Registry registry;
  StageMetrics metrics(&registry, 1, TwoStages());
  metrics.Update(h.now, h.core);
  metrics.Update(h.now, h.core);
  std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("exeunt_kv_pages_reserved{replica=\"0\"} 2"));
  EXPECT_THAT(text, HasSubstr("exeunt_kv_pages{replica=\"0\"} 10"));
  EXPECT_THAT(text, HasSubstr("exeunt_kv_cache_usage_ratio{replica=\"0\"} 0.2"));
  EXPECT_THAT(text, HasSubstr("exeunt_stage_kv_pages{replica=\"0\",stage=\"1\"} 10"));
  EXPECT_THAT(text, HasSubstr("exeunt_pipeline_ready{replica=\"0\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_stage_heartbeat_age_seconds{replica=\"0\",stage=\"1\"} 2"));
  h.Do1(PipelineExited{0, h.epoch, "x"});
  h.Pass(std::chrono::seconds(1));
  metrics.Update(h.now, h.core);
  metrics.Update(h.now, h.core);
  text = Text(registry);
  EXPECT_THAT(text, HasSubstr("exeunt_pipeline_restarts_total{replica=\"0\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_pipeline_ready{replica=\"0\"} 0"));
}

}  // namespace
}  // namespace exeunt::coordinator
