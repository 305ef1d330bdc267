// Estimates the cost of a generated token in layers, from multiply-adds. It counts the layers that the token
// ran, the K/V filled behind them, the heads of the exits on its way, and the vocabulary head. Settings of
// different measures can be compared by it. Mean layers alone would count an exit's head as free.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "model/config.h"
#include "model/exit_heads_info.h"
#include "request/exit_setting.h"
#include "tools/exits/sweep_file.h"

namespace exeunt::tools {

class TokenCost {
 public:
  // The cost of an exit's head is EstimateExitCost's (costs/layer_split.h).
  TokenCost(const ModelConfig& model, const ExitHeadsInfo& exits, std::vector<int> exit_layers);

  // Returns the cost of a token that ran `layers` layers.
  double Of(const ExitSetting& setting, int layers) const;
  // Returns the mean over all tokens of the answers, or 0 if there are none.
  double Mean(const ExitSetting& setting, std::span<const SweptAnswer> answers) const;

 private:
  int n_layers_;
  double fill_, head_;
  std::map<ExitMeasure, double> looks_;  // cost of one look, for measures that give the token
  std::vector<int> exit_layers_;
};

}  // namespace exeunt::tools
