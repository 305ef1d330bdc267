// Splits layers over stages by their costs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "costs/cost_curve.h"
#include "model/config.h"
#include "model/exit_heads_info.h"
#include "model/layer_span.h"
#include "request/exit_setting.h"

namespace exeunt {

// Estimates costs as the multiply-adds of the matrices. `exeunt plan` measures them instead.
LayerCosts EstimateLayerCosts(const ModelConfig& config);
// Estimates LayerCosts::exit in the same way for the exits in `exits`. The candidates of a prompt are not
// counted, because they differ.
std::optional<CostCurve> EstimateExitCost(const ModelConfig& config, const ExitHeadsInfo& exits,
                                          ExitMeasure measure);

struct SplitRequest {
  int stages = 1;  // 1 <= stages <= n_layers
  int n_layers = 0;
  LayerCosts costs;
  int rows = 1;                     // rows of a step of stage 0
  std::vector<ForcedExit> profile;  // expected share of tokens that leave after a layer
};

// Splits layers as evenly as possible, whatever their costs.
std::vector<LayerSpan> EvenSplit(int n_layers, int stages);
// Returns the cost of a token for a stage in a step of `request.rows`, as a mean over the profile.
double StageCost(const SplitRequest& request, LayerSpan layers);
// Returns the split whose costliest stage costs least. Of equal splits it is the one with fewer layers in
// earlier stages.
std::vector<LayerSpan> BalancedSplit(const SplitRequest& request);
// Parses "auto" (BalancedSplit), "even" (EvenSplit), or a split such as "0-12,12-30". The spans of the latter
// must be contiguous, not empty, cover all layers, and be as many as the stages.
Result<std::vector<LayerSpan>> ParseSplit(std::string_view text, const SplitRequest& request);

}  // namespace exeunt
