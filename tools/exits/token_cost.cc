#include "tools/exits/token_cost.h"

#include <algorithm>

#include "costs/layer_split.h"
#include "model/exit_policy.h"

namespace exeunt::tools {

TokenCost::TokenCost(const ModelConfig& model, const ExitHeadsInfo& exits, std::vector<int> exit_layers)
    : n_layers_(model.n_layers), exit_layers_(std::move(exit_layers)) {
  const LayerCosts costs = EstimateLayerCosts(model);
  const double layer = costs.layer.At(1);
  fill_ = costs.fill.At(1) / layer;
  head_ = costs.head.At(1) / layer;
  for (const ExitMeasureInfo& info : kExitMeasures) {
    if (const auto look = EstimateExitCost(model, exits, info.measure))
      looks_[info.measure] = look->At(1) / layer;
  }
}

double TokenCost::Of(const ExitSetting& setting, int layers) const {
  const double cost = layers + fill_ * (n_layers_ - layers);
  const auto look = looks_.find(setting.measure);
  if (look == looks_.end()) return cost + head_;
  const auto looks =
      static_cast<double>(std::count_if(exit_layers_.begin(), exit_layers_.end(),
                                        [&](int exit) { return exit <= layers && MayExit(setting, exit); }));
  return cost + look->second * looks + (layers == n_layers_ ? head_ : 0);
}

double TokenCost::Mean(const ExitSetting& setting, std::span<const SweptAnswer> answers) const {
  double sum = 0;
  double tokens = 0;
  for (const SweptAnswer& answer : answers) {
    for (const auto& [layers, count] : answer.exits) {
      sum += count * Of(setting, layers);
      tokens += count;
    }
  }
  return tokens > 0 ? sum / tokens : 0.0;
}

}  // namespace exeunt::tools
