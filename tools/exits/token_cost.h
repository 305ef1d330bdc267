// What a generated token costs, in layers, estimated as multiply-adds: the layers it ran, the K/V filled in
// behind them, what the exits on its way looked through, and the vocabulary head. By it settings of different
// measures can be compared: mean layers alone would call an exit's head free.
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
  // What exits look through is EstimateExitCost's (model/layer_plan.h).
  TokenCost(const ModelConfig& model, const ExitHeadsInfo& exits, std::vector<int> exit_layers);

  // Of a token that ran `layers` layers.
  double Of(const ExitSetting& setting, int layers) const;
  // Over all tokens of the answers; 0 where there are none.
  double Mean(const ExitSetting& setting, std::span<const SweptAnswer> answers) const;

 private:
  int n_layers_;
  double fill_, head_;
  std::map<ExitMeasure, double> looks_;  // a look, where it gives the token
  std::vector<int> exit_layers_;
};

}  // namespace exeunt::tools
