// The split of layers over stages by what they cost.
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

// Estimated as multiply-adds of the matrices. `exeunt plan` measures instead.
LayerCosts EstimateLayerCosts(const ModelConfig& config);
// LayerCosts::exit likewise, of exits as `exits` says. The candidates of a prompt are not counted: they
// differ.
std::optional<CostCurve> EstimateExitCost(const ModelConfig& config, const ExitHeadsInfo& exits,
                                          ExitMeasure measure);

struct SplitRequest {
  int stages = 1;  // 1 <= stages <= n_layers
  int n_layers = 0;
  LayerCosts costs;
  int rows = 1;                     // of a step of stage 0
  std::vector<ForcedExit> profile;  // the share of tokens that is expected to leave after a layer
};

// Layers as evenly as they go, whatever they cost.
std::vector<LayerSpan> EvenSplit(int n_layers, int stages);
// What a token costs a stage in a step of `request.rows`, on average over the profile.
double StageCost(const SplitRequest& request, LayerSpan layers);
// The split whose costliest stage costs least; among those the one with fewer layers in earlier stages.
std::vector<LayerSpan> BalancedSplit(const SplitRequest& request);
// "auto": BalancedSplit; "even": EvenSplit; else "0-12,12-30": contiguous, none empty, all layers, as many as
// there are stages.
Result<std::vector<LayerSpan>> ParseSplit(std::string_view text, const SplitRequest& request);

}  // namespace exeunt
