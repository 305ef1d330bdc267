#include "tools/exits/token_cost.h"

#include <gtest/gtest.h>

namespace exeunt::tools {
namespace {

// A layer of 1000 multiply-adds: K and V 200, Q and output 200, feed-forward 600; a head of 10 layers.
ModelConfig Model() {
  ModelConfig model;
  model.n_layers = 30;
  model.d_model = 10;
  model.n_heads = model.n_kv_heads = 1;
  model.head_dim = 10;
  model.d_ff = 20;
  model.vocab_size = 1000;
  return model;
}

ExitSetting Setting(ExitMeasure measure, int min_layer = 0) {
  return {.mode = ExitMode::kPropagate, .measure = measure, .threshold = 0.9F, .min_layer = min_layer};
}

TEST(TokenCostTest, LayersFillsAndWhatEachMeasureLooksThrough) {
  // The preview: 1 direction of 1010 multiply-adds, 16 columns of 10.
  const TokenCost cost(Model(), {.preview = PreviewInfo{1, 1}, .candidates = CandidatesInfo{{1, 2, 5, 7}}},
                       {10, 20});
  EXPECT_DOUBLE_EQ(cost.Of({}, 30), 40);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kSoftmax), 20), 20 + 2 + 20);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kSoftmax), 30), 30 + 30);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kSoftmax, 20), 20), 20 + 2 + 10);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kPreview), 10), 10 + 4 + 1.17);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kPreview), 30), 30 + 2.34 + 10);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kCandidates), 10), 10 + 4 + 0.04);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kCandidates), 30), 30 + 0.08 + 10);
  EXPECT_DOUBLE_EQ(cost.Of(Setting(ExitMeasure::kState), 10), 10 + 4 + 10);
}

TEST(TokenCostTest, MeanIsOverTokens) {
  const TokenCost cost(Model(), {}, {10});
  const std::vector<SweptAnswer> answers = {{true, "", {{10, 3}}}, {true, "", {{30, 1}}}};
  EXPECT_DOUBLE_EQ(cost.Mean(Setting(ExitMeasure::kClassifier), answers), (3 * 24 + 40) / 4.0);
  EXPECT_DOUBLE_EQ(cost.Mean({}, {}), 0);
}

}  // namespace
}  // namespace exeunt::tools
