// The settings of a sweep from the command line, which are every measure with every threshold and minimum
// layer.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "request/exit_setting.h"

namespace exeunt::tools {

struct SettingGrid {
  std::string mode = "propagate";
  std::vector<std::string> measures = {"preview"};
  std::vector<float> thresholds;
  std::vector<int> min_layers = {0};
  float decay_tau = 0.0F;  // 0 for a flat threshold
  int decay_n = 256;

  void AddTo(CLI::App* app);
  // Returns `off`, then thresholds from the largest down for each measure and minimum layer. Returns only
  // `off` if the mode is off. Errors name the option, the value and what is allowed.
  Result<std::vector<ExitSetting>> Settings(int n_layers) const;
};

}  // namespace exeunt::tools
