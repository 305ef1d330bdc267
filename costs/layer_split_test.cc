#include "costs/layer_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::pair<int, int>> Ranges(const std::string& split, int stages, int layers) {
  std::vector<std::pair<int, int>> ranges;
  for (const LayerSpan& span : ParseSplit(split, {.stages = stages, .n_layers = layers}).value())
    ranges.emplace_back(span.begin, span.end);
  return ranges;
}

TEST(LayerSplitTest, SplitsLayers) {
  EXPECT_THAT(Ranges("auto", 1, 30), ElementsAre(std::pair(0, 30)));
  EXPECT_THAT(Ranges("even", 4, 30),
              ElementsAre(std::pair(0, 7), std::pair(7, 15), std::pair(15, 22), std::pair(22, 30)));
  EXPECT_EQ(Ranges("auto", 30, 30).back(), std::pair(29, 30));
  EXPECT_THAT(Ranges("0-12,12-30", 2, 30), ElementsAre(std::pair(0, 12), std::pair(12, 30)));
  for (const char* bad : {"0-12", "0-12,13-30", "0-0,0-30", "1-12,12-30", "0-12,12-31", "0-12-30,1", "a-b",
                          "", "0-1,1-2,2-30"}) {
    EXPECT_EQ(ParseSplit(bad, {.stages = 2, .n_layers = 30}).error().code, ErrorCode::kInvalidArgument)
        << bad;
  }
  EXPECT_THAT(ParseSplit("auto", {.stages = 31, .n_layers = 30}).error().message,
              HasSubstr("--stages is 31"));
}

// The costliest stage of any split, by trying all of two or three stages.
double BestWorst(const SplitRequest& request) {
  double best = 1e300;
  const int n = request.n_layers;
  for (int a = 1; a < n; ++a) {
    for (int b = request.stages == 2 ? n : a + 1; b <= (request.stages == 2 ? n : n - 1); ++b) {
      double worst = std::max(StageCost(request, {0, a}), StageCost(request, {a, b}));
      if (b < n) worst = std::max(worst, StageCost(request, {b, n}));
      best = std::min(best, worst);
    }
  }
  return best;
}

TEST(LayerSplitTest, BalancesWhatStagesCost) {
  const LayerCosts costs{.layer = CostCurve(1.0), .fill = CostCurve(0.0625), .head = CostCurve(6.0)};
  // 36 in all; the head is on the last stage.
  EXPECT_EQ(SplitText(BalancedSplit({.stages = 2, .n_layers = 30, .costs = costs})), "0-18,18-30");
  // All leave at 15: 15 layers, the head and 15 fills.
  const std::vector<ForcedExit> all_at_15 = {{15, 1.0F}};
  const SplitRequest early{.stages = 2, .n_layers = 30, .costs = costs, .profile = all_at_15};
  EXPECT_EQ(SplitText(BalancedSplit(early)), "0-11,11-30");
  EXPECT_NEAR(StageCost(early, {0, 11}), 11, 1e-6);
  EXPECT_NEAR(StageCost(early, {11, 30}), 4 + 6 + 15 * 0.0625, 1e-6);
  // The exit's own look gives the token: the stage runs no head for it, and rows that go on were looked at.
  SplitRequest looks = early;
  looks.costs.exit = CostCurve(0.5);
  EXPECT_NEAR(StageCost(looks, {11, 30}), 4 + 0.5 + 15 * 0.0625, 1e-6);
  EXPECT_NEAR(StageCost(looks, {0, 15}), 15 + 0.5, 1e-6);
  EXPECT_NEAR(StageCost(looks, {15, 30}), 15 * 0.0625, 1e-6);
  looks.profile = {{10, 0.5F}, {20, 0.25F}};
  EXPECT_NEAR(StageCost(looks, {0, 30}),
              10 + 10 * 0.5 + 10 * 0.25 + (10 * 0.5 + 10 * 0.75) * 0.0625 + (1 + 0.5) * 0.5 + 0.25 * 6, 1e-6);
  for (int stages : {2, 3}) {
    for (const auto& profile : std::vector<std::vector<ForcedExit>>{
             {}, all_at_15, {{10, 0.5F}, {20, 0.25F}}, {{1, 0.9F}}, {{29, 0.3F}}}) {
      const SplitRequest request{.stages = stages, .n_layers = 30, .costs = costs, .profile = profile};
      double worst = 0;
      double sum = 0;
      for (const LayerSpan& span : BalancedSplit(request)) {
        worst = std::max(worst, StageCost(request, span));
        sum += StageCost(request, span);
      }
      EXPECT_DOUBLE_EQ(worst, BestWorst(request));
      EXPECT_NEAR(sum, StageCost(request, {0, 30}), 1e-9);
    }
  }
  EXPECT_EQ(SplitText(BalancedSplit({.stages = 30, .n_layers = 30, .costs = costs})),
            SplitText(EvenSplit(30, 30)));
}

TEST(LayerSplitTest, EstimatesCostsAsMultiplyAdds) {
  ModelConfig config;
  config.d_model = 576;
  config.n_heads = 9;
  config.n_kv_heads = 3;
  config.head_dim = 64;
  config.d_ff = 1536;
  config.vocab_size = 49152;
  const LayerCosts costs = EstimateLayerCosts(config);
  EXPECT_EQ(costs.fill.At(1), 576 * 2 * 192);
  EXPECT_EQ(costs.layer.At(1), 576 * (2 * 576 + 2 * 192 + 3 * 1536));
  EXPECT_EQ(costs.head.At(1), 576 * 49152);
}

}  // namespace
}  // namespace exeunt
