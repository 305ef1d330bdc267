#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include "coordinator/core/core_harness.h"
#include "coordinator/metrics/request_metrics.h"
#include "coordinator/metrics/stage_metrics.h"

namespace exeunt {
namespace {

using testing::HasSubstr;

std::string Text(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

TEST(RequestMetrics, CountsByReasonAndStatus) {
  prometheus::Registry registry;
  RequestMetrics metrics(&registry);
  metrics.Admitted(7, 3, std::chrono::milliseconds(20));
  metrics.FirstToken(std::chrono::milliseconds(30));
  metrics.NextToken(std::chrono::milliseconds(4));
  metrics.Finished(EndReasonName(EndReason::kStop), 2, std::chrono::seconds(1));
  metrics.Finished(EndReasonName(EndReason::kStop), 3, std::chrono::seconds(1));
  metrics.Finished(FailureKindName(FailureKind::kQueueFull), 0, std::chrono::seconds(0));
  metrics.Http("/v1/completions", 429);
  metrics.Waiting(4, 2);
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("exeunt_requests_total{finish_reason=\"stop\"} 2"));
  EXPECT_THAT(text, HasSubstr("exeunt_requests_total{finish_reason=\"queue_full\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_prompt_tokens_total 7"));
  EXPECT_THAT(text, HasSubstr("exeunt_generated_tokens_total 5"));
  EXPECT_THAT(text, HasSubstr("exeunt_http_requests_total{route=\"/v1/completions\",status=\"429\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_requests_waiting 4"));
  EXPECT_THAT(text, HasSubstr("exeunt_requests_running 2"));
  EXPECT_THAT(text, HasSubstr("exeunt_time_to_first_token_seconds_bucket{le=\"0.04\"} 1"));
  EXPECT_THAT(text, HasSubstr("exeunt_request_queue_seconds_count 1"));
}

TEST(StageMetrics, TotalsOutliveARestart) {
  prometheus::Registry registry;
  StageMetrics metrics(&registry, 2, 2);
  proto::StageReport report;
  report.set_live_rows(10);
  report.set_busy_seconds(1.5);
  report.set_backlog_rows(3);
  auto& exit = *report.add_exits();
  exit.set_layer(12);
  exit.set_count(4);
  metrics.Report(1, 100, 0, report);
  report.set_live_rows(15);
  report.mutable_exits(0)->set_count(6);
  metrics.Report(1, 100, 0, report);
  EXPECT_THAT(Text(registry), HasSubstr("exeunt_stage_live_rows_total{replica=\"1\",stage=\"0\"} 15"));
  report.set_live_rows(2);
  report.mutable_exits(0)->set_count(1);
  metrics.Report(1, 101, 0, report);
  const std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("exeunt_stage_live_rows_total{replica=\"1\",stage=\"0\"} 17"));
  EXPECT_THAT(text, HasSubstr("exeunt_exits_total{layer=\"12\",replica=\"1\",stage=\"0\"} 7"));
  EXPECT_THAT(text, HasSubstr("exeunt_stage_busy_seconds_total{replica=\"1\",stage=\"0\"} 3"));
  EXPECT_THAT(text, HasSubstr("exeunt_stage_backlog_rows{replica=\"1\",stage=\"0\"} 3"));
  EXPECT_THAT(text, HasSubstr("exeunt_stage_live_rows_total{replica=\"0\",stage=\"1\"} 0"));
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
  StageMetrics metrics(&registry, 1, 2);
  metrics.Update(h.now, h.core);
  metrics.Update(h.now, h.core);
  std::string text = Text(registry);
  EXPECT_THAT(text, HasSubstr("exeunt_kv_pages_reserved{replica=\"0\"} 2"));
  EXPECT_THAT(text, HasSubstr("exeunt_kv_pages_total{replica=\"0\"} 10"));
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
}  // namespace exeunt
