// Command-line options of an ExitSetting. The verbs that generate share them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "request/exit_setting.h"

namespace exeunt::tools {

// Parses "12:0.5,20:0.25", with each layer in [1, n_layers) and a sum of at most 1. "" is none.
Result<std::vector<ForcedExit>> ParseForced(const std::string& text, int n_layers);

struct ExitOptions {
  std::string mode = "off";
  std::string measure = "softmax";
  float threshold = 0.9F;
  int min_layer = 0;
  float decay_tau = 0.0F;  // 0 for a flat threshold
  int decay_n = 256;
  std::string forced;  // "12:0.5,20:0.25"

  void AddTo(CLI::App* app);
  // Errors name the option, the value and what is allowed.
  Result<ExitSetting> Parse(int n_layers) const;
};

}  // namespace exeunt::tools
