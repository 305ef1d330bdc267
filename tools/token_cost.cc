#include "tools/token_cost.h"

#include <algorithm>

#include "kernels/cpu/packed_matrix.h"
#include "model/exit_policy.h"
#include "model/layer_plan.h"

namespace exeunt {

TokenCost::TokenCost(const ModelConfig& model, const std::optional<PreviewInfo>& preview,
                     const std::optional<CandidatesInfo>& candidates, std::vector<int> exit_layers)
    : n_layers_(model.n_layers), exit_layers_(std::move(exit_layers)) {
  const LayerCosts costs = EstimateLayerCosts(model);
  const double layer = costs.layer.At(1);
  fill_ = costs.fill.At(1) / layer;
  head_ = costs.head.At(1) / layer;
  const double rank = preview ? preview->rank : 0;
  const double columns = preview ? preview->groups * cpu::kGroupColumns : 0;
  candidates_ = candidates ? static_cast<double>(candidates->tokens.size()) * model.d_model / layer : 0.0;
  preview_ = (rank * (model.d_model + model.vocab_size) + columns * model.d_model) / layer;
}

double TokenCost::Of(const ExitSetting& setting, int layers) const {
  const auto looks =
      static_cast<double>(std::count_if(exit_layers_.begin(), exit_layers_.end(),
                                        [&](int exit) { return exit <= layers && MayExit(setting, exit); }));
  const bool ran_all = layers == n_layers_;
  double cost = layers + fill_ * (n_layers_ - layers);
  switch (setting.measure) {
    case ExitMeasure::kSoftmax:
      return cost + head_ * (looks + (ran_all ? 1 : 0));
    case ExitMeasure::kPreview:
      return cost + preview_ * looks + (ran_all ? head_ : 0);
    case ExitMeasure::kCandidates:
      return cost + candidates_ * looks + (ran_all ? head_ : 0);
    case ExitMeasure::kState:
    case ExitMeasure::kClassifier:
    case ExitMeasure::kForced:
      return cost + head_;
  }
  return cost;
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

}  // namespace exeunt
