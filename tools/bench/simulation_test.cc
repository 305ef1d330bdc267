#include "tools/bench/simulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tools/bench/plan.h"

namespace exeunt::tools {
namespace {

constexpr int kLayers = 12;

Simulation Of(std::vector<LayerSpan> split, std::vector<int> exit_layers = {}) {
  Simulation simulation{
      .n_layers = kLayers, .split = std::move(split), .exit_layers = std::move(exit_layers)};
  simulation.costs = {CostCurve(1e-4), CostCurve(1e-5), CostCurve(4e-4)};
  simulation.link_delay = Duration{0};
  return simulation;
}

BenchWorkload Decode(int streams) {
  return {.name = "decode", .streams = streams, .prompt_tokens = 16, .tokens = 64};
}

ExitSetting Forced(const std::vector<ForcedExit>& profile) {
  if (profile.empty()) return {};
  return {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kForced, .forced = profile};
}

BenchFigures FiguresOf(const Simulation& simulation, const BenchWorkload& workload,
                       const std::vector<ForcedExit>& profile = {}) {
  return ComputeFigures(workload, 0,
                        Simulate(simulation, MakeBenchRequests(workload, {}, Forced(profile), 1, 1)));
}

TEST(SimulationTest, OneStageTakesWhatItsJobsCost) {
  // 12 layers and the head, a row: 1.6 ms.
  const BenchFigures figures = FiguresOf(Of({{0, kLayers}}), Decode(4));
  EXPECT_NEAR(figures.tokens_per_second, 1 / 1.6e-3, 1);
  EXPECT_NEAR(figures.stages[0].busy, 1, 1e-9);
  EXPECT_EQ(figures.mean_layers, kLayers);
}

TEST(SimulationTest, BalancedStagesWorkAtOnce) {
  // 8 layers against 4 and the head.
  const BenchFigures figures = FiguresOf(Of({{0, 8}, {8, kLayers}}), Decode(8));
  EXPECT_NEAR(figures.tokens_per_second, 2 / 1.6e-3, 15);
  // One stream has one row: the stages take turns.
  EXPECT_NEAR(FiguresOf(Of({{0, 8}, {8, kLayers}}), Decode(1)).tokens_per_second, 1 / 1.6e-3, 1);
}

TEST(SimulationTest, EveryTokenComesOnceAndJobsOfAStageDoNotOverlap) {
  const std::vector<ForcedExit> profile = {{4, 0.5F}, {8, 0.25F}};
  const BenchWorkload workload = Decode(6);
  const auto ranks = Simulate(Of({{0, 3}, {3, 9}, {9, kLayers}}, {4, 8}),
                              MakeBenchRequests(workload, {}, Forced(profile), 1, 1));
  std::set<std::pair<uint64_t, int32_t>> tokens;
  for (const BenchRank& rank : ranks) {
    for (const BenchToken& t : rank.tokens) EXPECT_TRUE(tokens.emplace(t.sequence, t.position).second);
    for (size_t i = 1; i < rank.spans.size(); ++i) EXPECT_LE(rank.spans[i - 1].end, rank.spans[i].begin);
  }
  EXPECT_EQ(tokens.size(), 6U * 64U);
  EXPECT_TRUE(ranks[0].tokens.empty());  // no exit lies in the first stage
  EXPECT_FALSE(ranks[1].tokens.empty());
  EXPECT_FALSE(ranks[2].tokens.empty());
}

TEST(SimulationTest, TokensThatLeaveCostOnlyTheirFillsBehindTheExit) {
  const BenchFigures figures = FiguresOf(Of({{0, kLayers}}, {6}), Decode(8), {{6, 1.0F}});
  EXPECT_EQ(figures.mean_layers, 6);
  // Some fills are still waiting when the window ends.
  EXPECT_GT(figures.tokens_per_second, 1 / (6e-4 + 4e-4 + 6e-5) - 15);
  EXPECT_LT(figures.tokens_per_second, 1 / (6e-4 + 4e-4));
}

TEST(SimulationTest, AnExitThatGivesTheTokenCostsItsLookAndNoHead) {
  Simulation simulation = Of({{0, kLayers}}, {6});
  simulation.costs.exit = CostCurve(5e-5);
  const BenchFigures figures = FiguresOf(simulation, Decode(8), {{6, 1.0F}});
  EXPECT_EQ(figures.mean_layers, 6);
  EXPECT_GT(figures.tokens_per_second, 1 / (6e-4 + 5e-5 + 6e-5) - 15);
  EXPECT_LT(figures.tokens_per_second, 1 / (6e-4 + 5e-5));
  // Those that go on were looked at, and run the head.
  EXPECT_NEAR(FiguresOf(simulation, Decode(8), {{6, 0.0F}}).tokens_per_second, 1 / (12e-4 + 5e-5 + 4e-4), 1);
}

TEST(SimulationTest, ThePlannedSplitIsAsGoodAsAnyOfTwoStages) {
  SplitRequest request{.stages = 2, .n_layers = kLayers};
  request.costs = {CostCurve({{1, 1e-4}, {4, 1.2e-4}, {8, 2.4e-4}}), CostCurve(1e-5),
                   CostCurve({{1, 1e-3}, {4, 1.1e-3}, {8, 2e-3}})};
  for (const auto& profile : std::vector<std::vector<ForcedExit>>{{}, {{6, 1.0F}}, {{4, 0.5F}, {8, 0.25F}}}) {
    request.profile = profile;
    for (const int streams : {1, 8, 32}) {
      const auto rate = [&](const std::vector<LayerSpan>& split) {
        return SimulateWorkload(request, split, Decode(streams), 256).tokens_per_second;
      };
      double best = 0;
      for (int at = 1; at < kLayers; ++at) best = std::max(best, rate({{0, at}, {at, kLayers}}));
      EXPECT_GE(rate(PlanSplit(request, Decode(streams), 256)), 0.97 * best)
          << streams << " streams, " << profile.size() << " exits";
    }
  }
}

TEST(PlanCostsTest, ReadsWhatPlanPrintsAndNamesWhatIsWrong) {
  const char* good =
      R"({"layers": 30, "layer_us": [[1, 70], [2, 80]], "fill_us": [[1, 5]], "head_us": [[1, 900]]})";
  const auto costs = ParsePlanCosts(good);
  ASSERT_TRUE(costs.has_value()) << costs.error().message;
  EXPECT_EQ(costs->n_layers, 30);
  EXPECT_DOUBLE_EQ(costs->costs.layer.At(2), 80e-6);
  EXPECT_DOUBLE_EQ(costs->costs.head.At(1), 900e-6);
  EXPECT_FALSE(costs->costs.exit.has_value());
  const auto with_exit = ParsePlanCosts(
      R"({"layers": 30, "layer_us": [[1, 70]], "fill_us": [[1, 5]], "head_us": [[1, 900]], "exit_us": [[1, 40]]})");
  ASSERT_TRUE(with_exit.has_value()) << with_exit.error().message;
  EXPECT_DOUBLE_EQ(with_exit->costs.exit->At(1), 40e-6);
  for (
      const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
          {"[]", "not a JSON object"},
          {R"({"layers": 0})", "layers is not"},
          {R"({"layers": 30})", "layer_us is not a list"},
          {R"({"layers": 30, "layer_us": [[1]]})", "layer_us[0] is not"},
          {R"({"layers": 30, "layer_us": [[2, 1], [1, 2]]})", "layer_us[1]: rows must ascend"},
          {R"({"layers": 30, "layer_us": [[1, -1]]})", "costs lie in"},
          {R"({"layers": 30, "layer_us": [[1, 70]], "fill_us": [[1, 5]], "head_us": [[1, 900]], "exit_us": 3})",
           "exit_us is not a list"},
      }) {
    const auto bad = ParsePlanCosts(text);
    ASSERT_FALSE(bad.has_value()) << text;
    EXPECT_NE(bad.error().message.find(words), std::string::npos) << bad.error().message;
  }
}

}  // namespace
}  // namespace exeunt::tools
