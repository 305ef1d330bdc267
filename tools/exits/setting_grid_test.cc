#include "tools/exits/setting_grid.h"

#include <gtest/gtest.h>

#include "tools/exits/sweep_file.h"

namespace exeunt::tools {
namespace {

std::vector<std::string> Names(const SettingGrid& grid) {
  const auto settings = grid.Settings(30);
  if (!settings) return {settings.error().message};
  std::vector<std::string> names;
  for (const ExitSetting& setting : *settings) names.push_back(SettingName(setting));
  return names;
}

TEST(SettingGridTest, ThresholdsFallForEveryMeasureAndMinimumLayer) {
  EXPECT_EQ(Names({.thresholds = {0.5F, 0.9F, 0.5F}}),
            (std::vector<std::string>{"off", "preview-0.9", "preview-0.5"}));
  EXPECT_EQ(Names({.measures = {"softmax", "state"}, .thresholds = {0.8F}, .min_layers = {0, 12}}),
            (std::vector<std::string>{"off", "state-0.8-from12", "state-0.8", "softmax-0.8-from12",
                                      "softmax-0.8"}));
  EXPECT_EQ(Names({.thresholds = {0.5F}, .decay_tau = 4, .decay_n = 64}).back(), "preview-0.5-tau4-n64");
  EXPECT_EQ(Names({.mode = "off", .thresholds = {0.5F}}), (std::vector<std::string>{"off"}));
}

TEST(SettingGridTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(Names({.thresholds = {1.0F}}).at(0), "--thresholds: 1 is outside [0, 1)");
  EXPECT_EQ(Names({.thresholds = {0.5F}, .min_layers = {30}}).at(0),
            "--exit-min-layer: 30 is outside [0, 30)");
  EXPECT_NE(Names({.measures = {"guess"}, .thresholds = {0.5F}}).at(0).find("'guess' is not one of"),
            std::string::npos);
  EXPECT_EQ(Names({.measures = {"forced"}, .thresholds = {0.5F}}).at(0),
            "--exit-measure: 'forced' has no threshold");
}

}  // namespace
}  // namespace exeunt::tools
