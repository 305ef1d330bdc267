#include "tools/exits/probe_result.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tools/exits/svg_chart.h"

namespace exeunt::tools {
namespace {

constexpr int kLayers = 10;

Agreements AgreesAfter(std::initializer_list<int> layers) {
  Agreements agrees(kLayers, false);
  for (const int layer : layers) agrees[static_cast<size_t>(layer)] = true;
  return agrees;
}

const ProbeCosts kCosts{.rows = 16, .layer_us = 30, .fill = 0.1, .head = 2};
// A token in four each: agrees from 3 on, at 6 alone, at 3 and not at 6, never.
const std::vector<Agreements> kTokens = {AgreesAfter({3, 6, 8}), AgreesAfter({6}), AgreesAfter({3}),
                                         AgreesAfter({})};

TEST(ProbeResultTest, OracleLeavesAtTheFirstExitThatAgrees) {
  EXPECT_EQ(OracleDepth(kTokens[0]), 3);
  EXPECT_EQ(OracleDepth(kTokens[1]), 6);
  EXPECT_EQ(OracleDepth(kTokens[3]), kLayers);
  const ExitChoice choice = OracleChoice(kTokens, {6, 3}, kCosts);
  EXPECT_EQ(choice.layers, (std::vector<int>{3, 6}));
  EXPECT_DOUBLE_EQ(choice.mean_layers, (3 + 6 + 3 + 10) / 4.0);
  // off: 10 layers and a head. Left after m: m layers, fills of the rest, a head.
  const double left = (3 + 0.7 + 2) * 2 + (6 + 0.4 + 2) + 12;
  EXPECT_NEAR(choice.speed_up, 4 * 12 / left, 1e-12);
  // A cheap head at every exit that is passed, a tenth of the cost, and the whole one only at the end.
  const double cheap = (3 + 0.7 + 0.2) * 2 + (6 + 0.4 + 0.4) + (12 + 0.4);
  EXPECT_NEAR(choice.cheap_speed_up, 4 * 12 / cheap, 1e-12);
}

TEST(ProbeResultTest, ExitsAreAddedAsLongAsTheySave) {
  const auto worth = WorthHaving(kTokens, {1, 3, 6, 8}, kCosts, 6);
  ASSERT_EQ(worth.size(), 2U);
  EXPECT_EQ(worth[0].layers, std::vector<int>{3});
  EXPECT_EQ(worth[1].layers, (std::vector<int>{3, 6}));
  EXPECT_GT(worth[1].cheap_speed_up, worth[0].cheap_speed_up);
  EXPECT_EQ(WorthHaving(kTokens, {1, 3, 6, 8}, kCosts, 1).size(), 1U);
  EXPECT_TRUE(WorthHaving({AgreesAfter({})}, {3, 6}, kCosts, 6).empty());
}

JudgedRow Row(float margin, bool agrees) { return {.margin = margin, .divergence = 0.5, .agrees = agrees}; }

TEST(ExitStatisticsTest, AgreementAndAreaUnderTheCurve) {
  ExitStatistics s;
  for (const JudgedRow& row : {Row(0.9F, true), Row(0.8F, true), Row(0.3F, false), Row(0.85F, false)})
    s.Add(row);
  EXPECT_DOUBLE_EQ(s.agreement(), 0.5);
  EXPECT_DOUBLE_EQ(s.mean_divergence(), 0.5);
  EXPECT_DOUBLE_EQ(s.softmax.Auc(), 3.0 / 4);  // of the pairs, .8 against .85 is wrong
  const auto above = s.softmax.AtLeast(0.8);
  EXPECT_DOUBLE_EQ(above.share, 0.75);
  EXPECT_DOUBLE_EQ(above.agreement, 2.0 / 3);
  EXPECT_DOUBLE_EQ(s.softmax.AtLeast(0.95).agreement, 1.0);
  ExitStatistics ties;
  for (const bool agrees : {true, false}) ties.Add(Row(1.0F, agrees));
  EXPECT_DOUBLE_EQ(ties.softmax.Auc(), 0.5);
}

TEST(ProbeResultTest, ReportEscapesAndNamesEveryLayer) {
  ProbeResult result{.model = "a<b>.gguf", .n_layers = kLayers, .prompts = 1, .tokens = 4, .costs = kCosts};
  for (int layer = 1; layer < kLayers; ++layer) result.raw[layer].Add(Row(0.5F, layer > 5));
  for (const Agreements& token : kTokens) ++result.oracle[OracleDepth(token)];
  result.worth = WorthHaving(kTokens, {3, 6}, kCosts, 6);
  const std::string html = ProbeHtml(result);
  EXPECT_EQ(html.find("a<b>"), std::string::npos);
  EXPECT_NE(html.find("a&lt;b&gt;.gguf"), std::string::npos);
  EXPECT_NE(ProbeTable(result).find("exits after 3, 6: oracle depth 5.50"), std::string::npos)
      << ProbeTable(result);
}

// How far a confidence can be trusted is shown of the exits that are there, also where none saves anything.
TEST(ProbeResultTest, ReportHasConfidencesOfFittedExitsElseOfThoseWorthHavingElseOfSome) {
  ProbeResult result{.model = "m", .n_layers = kLayers, .prompts = 1, .tokens = 4, .costs = kCosts};
  for (int layer = 1; layer < kLayers; ++layer) result.raw[layer].Add(Row(0.5F, false));
  const auto shown = [&] {
    const std::string html = ProbeHtml(result);
    std::vector<int> layers;
    for (int layer = 1; layer < kLayers; ++layer) {
      if (html.find(fmt::format(">after {}<", layer)) != std::string::npos) layers.push_back(layer);
    }
    return layers;
  };
  const std::vector<int> some = shown();
  EXPECT_GE(some.size(), 3U);
  EXPECT_LE(some.size(), 6U);
  result.worth = WorthHaving(kTokens, {3, 6}, kCosts, 6);
  EXPECT_EQ(shown(), (std::vector<int>{3, 6}));
  result.fitted[5].Add(Row(0.5F, true));
  EXPECT_EQ(shown(), std::vector<int>{5});
}

// What has no points, or one, is drawn all the same.
TEST(SvgChartTest, DegenerateChartsAreFinite) {
  for (const auto& points :
       std::vector<std::vector<std::pair<double, double>>>{{}, {{3, 0}}, {{1, 2}, {1, 2}}}) {
    const std::string svg = RenderSvg({.title = "t\"<", .series = {{.name = "s", .points = points}}});
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_EQ(svg.find("inf"), std::string::npos);
    EXPECT_NE(svg.find("t&quot;&lt;"), std::string::npos);
  }
}

}  // namespace
}  // namespace exeunt::tools
