// What is shown of two looks at a cluster.
#include "tools/top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace exeunt::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

// A second and a half of a pipeline of two stages, of 30 layers.
constexpr const char* kBefore = R"({
  "model": "m", "n_layers": 30, "ready": true, "draining": false, "requests": {"running": 2, "waiting": 1},
  "totals": {"prompt_tokens": 100, "generation_tokens": 1000, "layers_skipped": 5000, "requests_finished": 9,
             "requests_failed": 1},
  "pipelines": [{"state": "ready", "epoch": 7, "restarts": 0, "last_error": null, "open_sequences": 2,
    "kv": {"pages_reserved": 5, "pages_total": 20},
    "stages": [
      {"layers": [0, 12], "connected": true, "ready": true, "kv_pages": 20, "heartbeat_age_seconds": 0.3,
       "report": {"live_rows": 100, "prompt_rows": 50, "fill_rows": 0, "backlog_rows": 0, "kv_pages_used": 3,
                  "busy_seconds": 10, "idle_seconds": 5, "bubble_seconds": 2, "blocked_seconds": 0,
                  "exits": {"10": 40}}},
      {"layers": [12, 30], "connected": true, "ready": true, "kv_pages": 20, "heartbeat_age_seconds": 0.1,
       "report": {"live_rows": 60, "prompt_rows": 50, "fill_rows": 30, "backlog_rows": 4, "kv_pages_used": 3,
                  "busy_seconds": 8, "idle_seconds": 7, "bubble_seconds": 4, "blocked_seconds": 0,
                  "exits": {"30": 60}}}]}]})";

boost::json::value Later() {
  auto view = boost::json::parse(kBefore);
  const auto set = [&](const char* pointer, auto value) { view.at_pointer(pointer) = value; };
  set("/totals/generation_tokens", 1030);
  set("/totals/layers_skipped", 5300);
  set("/totals/prompt_tokens", 103);
  for (const char* stage : {"/pipelines/0/stages/0/report", "/pipelines/0/stages/1/report"}) {
    auto& report = view.at_pointer(stage).as_object();
    report["live_rows"] = report["live_rows"].to_number<double>() + 30;
    report["busy_seconds"] = report["busy_seconds"].to_number<double>() + 0.75;
    report["idle_seconds"] = report["idle_seconds"].to_number<double>() + 0.75;
    report["bubble_seconds"] = report["bubble_seconds"].to_number<double>() + 0.25;
  }
  set("/pipelines/0/stages/0/report/exits/10", 55);
  return view;
}

std::vector<std::string> Shown(const boost::json::value& now, bool with_before, int width = 200) {
  std::optional<ClusterSnapshot> before;
  if (with_before) before = ClusterSnapshot{boost::json::parse(kBefore), 10.0};
  return TopLines({now, 11.5}, before, width);
}

TEST(Top, ShowsRatesAndSharesBetweenTwoLooks) {
  EXPECT_THAT(Shown(Later(), true),
              testing::ElementsAre(
                  "exeunt  m  ready", "requests  running 2  waiting 1  served 9  failed 1",
                  "tokens/s  20.0 out  2.0 in    layers  20.0 of 30 on average (33 % saved)", "",
                  "pipeline 0  ready  restarts 0  open 2  K/V 5/20 pages (25 %)  bubbles 25 %  epoch 7",
                  "stage   layers utilisation      bubble   rows/s backlog   K/V pages   beat  exits",
                  "    0     0-12 #####.....  50 %   25 %     20.0       0        3/20  0.3 s  10: 10.0/s",
                  "    1    12-30 #####.....  50 %   25 %     20.0       4        3/20  0.1 s  30: 0.0/s"));
}

TEST(Top, OneLookHasNoRates) {
  const auto lines = Shown(Later(), false);
  EXPECT_THAT(lines[2], HasSubstr("- out  - in    layers  24.9 of 30")) << "of all tokens so far";
  EXPECT_THAT(lines[6], HasSubstr("..........     -      -        -       0        3/20  0.3 s  10: 55"));
}

TEST(Top, APipelineThatWasStartedAgainIsNotComparedWithItsPast) {
  auto view = Later();
  view.at_pointer("/pipelines/0/epoch") = 8;
  view.at_pointer("/pipelines/0/last_error") = "stage 1:\x1b[2Jsignal 9";
  view.at_pointer("/ready") = false;
  view.at_pointer("/pipelines/0/stages/1/ready") = false;
  view.at_pointer("/pipelines/0/stages/1").as_object()["load_fraction"] = 0.5;
  const auto lines = Shown(view, true);
  EXPECT_EQ(lines[0], "exeunt  m  NOT READY");
  EXPECT_THAT(lines[4], HasSubstr("bubbles -"));
  EXPECT_EQ(lines[5], "  last error: stage 1: [2Jsignal 9") << "nothing steers the terminal";
  EXPECT_THAT(lines[7], HasSubstr(" -      -        - "));
  EXPECT_THAT(lines[8], HasSubstr("loading 50 %"));
}

TEST(Top, FitsANarrowTerminalAndTakesAnyJson) {
  for (const std::string& line : Shown(Later(), true, 20)) EXPECT_LE(line.size(), 20U);
  auto wide = Later();
  wide.at_pointer("/model") = "\u00e4\u00e4\u00e4\u00e4";
  EXPECT_EQ(Shown(wide, true, 10)[0], "exeunt  \u00e4\u00e4");
  EXPECT_THAT(Shown(boost::json::parse("{}"), true)[1], HasSubstr("running -  waiting -"));
  EXPECT_FALSE(
      Shown(boost::json::parse(R"({"pipelines": [1, {"stages": [{}, 2]}], "model": 3})"), true).empty());
}

}  // namespace
}  // namespace exeunt::tools
