#include "tools/bench/bench_report.h"

#include <gtest/gtest.h>

namespace exeunt::tools {
namespace {

constexpr double kTolerance = 1e-9;  // relative to 1: sums of a few doubles
constexpr int64_t kMs = 1000000;
constexpr int64_t kBegin = 1000 * kMs;

TimePoint Ms(int64_t ms) { return {Duration(ms * kMs)}; }

worker::StepSpan Span(int64_t begin_ms, int64_t end_ms, LayerSpan layers, int run_rows, int fill_rows = 0) {
  return {Ms(begin_ms), Ms(end_ms), layers.begin, layers.end, run_rows, fill_rows};
}

BenchWorkload Decode(int streams) { return {"decode", BenchKind::kDecode, streams, 16, 4}; }
BenchWorkload Prefill(int tokens) { return {"prefill", BenchKind::kPrefill, 1, tokens, 1}; }

BenchRank Rank() {
  BenchRank rank;
  rank.work = {.layer_bytes = 1000,
               .fill_bytes = 100,
               .head_bytes = 500,
               .layer_macs = 10,
               .fill_macs = 3,
               .head_macs = 7};
  rank.read_bandwidth = 1e5;
  rank.int_dot_peak = 1e4;
  return rank;
}

// Two streams over two stages: tokens after 4 layers leave at the first. Both generate from 1200 ms, when the
// later one starts, to 1700 ms, when the earlier one ends.
std::vector<BenchRank> TwoStages() {
  std::vector<BenchRank> ranks = {Rank(), Rank()};
  ranks[0].tokens = {{1, 16, 4, 1100 * kMs}, {2, 17, 4, 1400 * kMs}, {1, 18, 4, 1500 * kMs}};
  ranks[1].tokens = {{2, 16, 8, 1200 * kMs},
                     {1, 17, 8, 1300 * kMs},
                     {2, 18, 8, 1600 * kMs},
                     {1, 19, 8, 1700 * kMs},
                     {2, 19, 8, 1900 * kMs}};
  return ranks;
}

void ExpectZeros(const BenchFigures& f) {
  for (const double x : {f.tokens_per_second, f.window_seconds, f.ttft_p50_ms, f.ttft_p99_ms,
                         f.inter_token_p50_ms, f.inter_token_p99_ms, f.mean_layers}) {
    EXPECT_EQ(x, 0.0);
  }
  for (const BenchStageFigures& s : f.stages) {
    for (const double x : {s.busy, s.read_share, s.dot_share, s.rows_per_step}) EXPECT_EQ(x, 0.0);
  }
}

TEST(BenchReportTest, DecodeCountsTokensFromTheLastFirstToTheFirstLast) {
  const BenchFigures f = ComputeFigures(Decode(2), kBegin, TwoStages());
  EXPECT_NEAR(f.window_seconds, 0.5, kTolerance);
  EXPECT_NEAR(f.tokens_per_second, 10.0, kTolerance);  // 1300, 1400, 1500, 1600, 1700 ms
  EXPECT_NEAR(f.ttft_p50_ms, 100.0, kTolerance);
  EXPECT_NEAR(f.ttft_p99_ms, 200.0, kTolerance);
  EXPECT_NEAR(f.inter_token_p50_ms, 200.0, kTolerance);
  EXPECT_NEAR(f.inter_token_p99_ms, 300.0, kTolerance);
  EXPECT_NEAR(f.mean_layers, (3 * 4 + 5 * 8) / 8.0, kTolerance);
  EXPECT_EQ(f.exits, (std::map<int, double>{{4, 3 / 8.0}, {8, 5 / 8.0}}));
  EXPECT_EQ(f.stages.size(), 2U);
}

TEST(BenchReportTest, StreamsThatNeverRanTogetherHaveNoWindow) {
  std::vector<BenchRank> ranks = {Rank()};
  ranks[0].tokens = {
      {1, 16, 8, 1100 * kMs}, {1, 17, 8, 1200 * kMs}, {2, 16, 8, 1300 * kMs}, {2, 17, 8, 1400 * kMs}};
  ranks[0].spans = {Span(1000, 1500, {0, 8}, 1)};
  const BenchFigures f = ComputeFigures(Decode(2), kBegin, ranks);
  EXPECT_EQ(f.window_seconds, 0.0);
  EXPECT_EQ(f.tokens_per_second, 0.0);
  EXPECT_EQ(f.stages[0].busy, 0.0);
  EXPECT_NEAR(f.ttft_p99_ms, 300.0, kTolerance);
  const Status refused = RequireWindow(Decode(2), f);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no time in which every stream decodes"), std::string::npos);
  EXPECT_TRUE(RequireWindow(Decode(2), ComputeFigures(Decode(2), kBegin, TwoStages())));
}

TEST(BenchReportTest, PrefillRunsFromAdmissionToTheLastFirstToken) {
  std::vector<BenchRank> ranks = {Rank(), Rank()};
  ranks[1].tokens = {{1, 512, 8, 1250 * kMs}};
  ranks[0].spans = {Span(900, 1100, {0, 4}, 256)};
  const BenchFigures f = ComputeFigures(Prefill(512), kBegin, ranks);
  EXPECT_NEAR(f.window_seconds, 0.25, kTolerance);
  EXPECT_NEAR(f.tokens_per_second, 2048.0, 1e-6);
  EXPECT_NEAR(f.ttft_p50_ms, 250.0, kTolerance);
  EXPECT_NEAR(f.stages[0].busy, 0.4, kTolerance);
  EXPECT_EQ(f.inter_token_p50_ms, 0.0);

  BenchWorkload two = Prefill(100);
  two.streams = 2;
  ranks[0].tokens = {{2, 100, 4, 1400 * kMs}};
  EXPECT_NEAR(ComputeFigures(two, kBegin, ranks).tokens_per_second, 500.0, 1e-6);
}

TEST(BenchReportTest, PercentilesAreOfTheNearestRank) {
  std::vector<BenchRank> ranks = {Rank()};
  int64_t time_ns = kBegin + 5 * kMs;
  ranks[0].tokens.push_back({1, 16, 8, time_ns});
  for (int gap = 100; gap >= 1; --gap) {
    time_ns += gap * kMs;
    ranks[0].tokens.push_back({1, 117 - gap, 8, time_ns});
  }
  BenchFigures f = ComputeFigures(Decode(1), kBegin, ranks);
  EXPECT_NEAR(f.inter_token_p50_ms, 50.0, kTolerance);
  EXPECT_NEAR(f.inter_token_p99_ms, 99.0, kTolerance);
  ranks[0].tokens.pop_back();  // 99 gaps, of 2 to 100 ms: ranks 50 and 99
  f = ComputeFigures(Decode(1), kBegin, ranks);
  EXPECT_NEAR(f.inter_token_p50_ms, 51.0, kTolerance);
  EXPECT_NEAR(f.inter_token_p99_ms, 100.0, kTolerance);
}

TEST(BenchReportTest, StagesCountWhatLiesInTheWindow) {
  std::vector<BenchRank> ranks = TwoStages();
  ranks[0].spans = {
      Span(1150, 1200, {0, 4}, 9),     // before the window
      Span(1100, 1300, {0, 4}, 2),     // half of it inside
      Span(1300, 1400, {2, 4}, 0, 3),  // K and V only
      Span(1400, 1450, {0, 4}, 1, 2),  // both: one sweep over the weights
      Span(1600, 1800, {4, 4}, 4),     // the head, half of it inside
      Span(1700, 1800, {0, 4}, 9),     // after the window
  };
  ranks[1].spans = {Span(1000, 2000, {4, 8}, 5)};  // reaches out on both sides
  const std::vector<BenchStageFigures> stages = ComputeFigures(Decode(2), kBegin, ranks).stages;
  ASSERT_EQ(stages.size(), 2U);

  const double busy = 0.1 + 0.1 + 0.05 + 0.1;
  const double bytes = 0.5 * 4 * 1000 + 2 * 100 + 4 * 1000 + 0.5 * 500;
  const double macs = 0.5 * 4 * 20 + 2 * 9 + 4 * (10 + 6) + 0.5 * 4 * 7;
  EXPECT_NEAR(stages[0].busy, busy / 0.5, kTolerance);
  EXPECT_NEAR(stages[0].read_share, bytes / (busy * 1e5), kTolerance);
  EXPECT_NEAR(stages[0].dot_share, macs / (busy * 1e4), kTolerance);
  EXPECT_NEAR(stages[0].rows_per_step, (0.5 * 2 + 3 + 3) / 2.5, kTolerance);

  EXPECT_NEAR(stages[1].busy, 1.0, kTolerance);
  EXPECT_NEAR(stages[1].read_share, 0.5 * 4 * 1000 / (0.5 * 1e5), kTolerance);
  EXPECT_NEAR(stages[1].dot_share, 0.5 * 4 * 50 / (0.5 * 1e4), kTolerance);
  EXPECT_NEAR(stages[1].rows_per_step, 5.0, kTolerance);
}

TEST(BenchReportTest, AStageOfOneKindOfJob) {
  std::vector<BenchRank> ranks = TwoStages();
  ranks[0].spans = {Span(1300, 1400, {0, 4}, 0, 2), Span(1400, 1500, {0, 4}, 0, 4)};
  ranks[1].spans = {Span(1300, 1400, {8, 8}, 3)};
  const std::vector<BenchStageFigures> stages = ComputeFigures(Decode(2), kBegin, ranks).stages;
  EXPECT_NEAR(stages[0].read_share, 2 * 4 * 100 / (0.2 * 1e5), kTolerance);
  EXPECT_NEAR(stages[0].dot_share, 4 * 3 * (2 + 4) / (0.2 * 1e4), kTolerance);
  EXPECT_NEAR(stages[0].rows_per_step, 3.0, kTolerance);
  EXPECT_NEAR(stages[1].read_share, 500 / (0.1 * 1e5), kTolerance);
  EXPECT_NEAR(stages[1].dot_share, 7 * 3 / (0.1 * 1e4), kTolerance);
  EXPECT_EQ(stages[1].rows_per_step, 0.0);  // the head is no step
}

TEST(BenchReportTest, NothingRecordedGivesZeros) {
  std::vector<BenchRank> ranks = {Rank(), Rank()};
  ranks[0].spans = {Span(1100, 1200, {0, 4}, 2)};
  for (const BenchWorkload& workload : {Decode(2), Prefill(512)}) {
    ExpectZeros(ComputeFigures(workload, kBegin, {}));
    ExpectZeros(ComputeFigures(workload, kBegin, ranks));
  }
}

TEST(BenchReportTest, APeakThatWasNotMeasuredGivesZeroShares) {
  std::vector<BenchRank> ranks = TwoStages();
  ranks[0].read_bandwidth = 0;
  ranks[0].int_dot_peak = 0;
  ranks[0].spans = {Span(1300, 1400, {0, 4}, 2)};
  const BenchStageFigures stage = ComputeFigures(Decode(2), kBegin, ranks).stages[0];
  EXPECT_EQ(stage.read_share, 0.0);
  EXPECT_EQ(stage.dot_share, 0.0);
  EXPECT_NEAR(stage.busy, 0.2, kTolerance);
}

TEST(BenchReportTest, JsonHasEveryFigure) {
  std::vector<BenchRank> ranks = TwoStages();
  ranks[1].spans = {Span(1300, 1400, {4, 8}, 5)};
  const BenchFigures f = ComputeFigures(Decode(2), kBegin, ranks);
  const auto json = boost::json::parse(boost::json::serialize(ToJson(Decode(2), f))).as_object();
  EXPECT_EQ(json.at("engine"), "exeunt");
  EXPECT_EQ(json.at("workload"), "decode");
  EXPECT_EQ(json.at("tokens_per_second").to_number<double>(), f.tokens_per_second);
  EXPECT_EQ(json.at("window_seconds").to_number<double>(), f.window_seconds);
  EXPECT_EQ(json.at("ttft_p50_ms").to_number<double>(), f.ttft_p50_ms);
  EXPECT_EQ(json.at("ttft_p99_ms").to_number<double>(), f.ttft_p99_ms);
  EXPECT_EQ(json.at("inter_token_p50_ms").to_number<double>(), f.inter_token_p50_ms);
  EXPECT_EQ(json.at("inter_token_p99_ms").to_number<double>(), f.inter_token_p99_ms);
  EXPECT_EQ(json.at("mean_layers").to_number<double>(), f.mean_layers);
  EXPECT_EQ(json.at("exits").as_object().size(), f.exits.size());
  const boost::json::array& stages = json.at("stage").as_array();
  ASSERT_EQ(stages.size(), 2U);
  EXPECT_EQ(stages[1].at("busy").to_number<double>(), f.stages[1].busy);
  EXPECT_EQ(stages[1].at("read_share").to_number<double>(), f.stages[1].read_share);
  EXPECT_EQ(stages[1].at("dot_share").to_number<double>(), f.stages[1].dot_share);
  EXPECT_EQ(stages[1].at("rows_per_step").to_number<double>(), 5.0);
}

TEST(BenchReportTest, TheTraceHasAProcessAStageAndASliceASpan) {
  std::vector<BenchRank> ranks = {Rank(), Rank()};
  ranks[0].spans = {Span(1100, 1300, {0, 4}, 2, 1), Span(1300, 1301, {4, 4}, 3)};
  ranks[1].spans = {{TimePoint{Duration(1500)}, TimePoint{Duration(4000)}, 4, 8, 2, 0}};
  const boost::json::value trace = boost::json::parse(boost::json::serialize(ChromeTrace(ranks)));
  int processes = 0;
  std::vector<boost::json::object> slices;
  for (const boost::json::value& event : trace.as_array()) {
    const boost::json::object& e = event.as_object();
    if (e.at("ph") == "M") {
      EXPECT_EQ(e.at("name"), "process_name");
      EXPECT_EQ(e.at("pid").to_number<int>(), processes);
      EXPECT_EQ(e.at("args").at("name"), processes == 0 ? "stage 0" : "stage 1");
      ++processes;
    } else {
      EXPECT_EQ(e.at("ph"), "X");
      slices.push_back(e);
    }
  }
  EXPECT_EQ(processes, 2);
  ASSERT_EQ(slices.size(), 3U);
  EXPECT_EQ(slices[0].at("name"), "layers 0-4");
  EXPECT_EQ(slices[0].at("pid").to_number<int>(), 0);
  EXPECT_NEAR(slices[0].at("ts").to_number<double>(), 1.1e6, 1e-3);
  EXPECT_NEAR(slices[0].at("dur").to_number<double>(), 2e5, 1e-3);
  EXPECT_EQ(slices[0].at("args").at("rows").to_number<int>(), 2);
  EXPECT_EQ(slices[0].at("args").at("fills").to_number<int>(), 1);
  EXPECT_EQ(slices[1].at("name"), "head after 4");
  EXPECT_EQ(slices[2].at("pid").to_number<int>(), 1);
  EXPECT_NEAR(slices[2].at("ts").to_number<double>(), 1.5, kTolerance);
  EXPECT_NEAR(slices[2].at("dur").to_number<double>(), 2.5, kTolerance);
}

}  // namespace
}  // namespace exeunt::tools
