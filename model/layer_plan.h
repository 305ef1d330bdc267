// How an operator writes the split of layers over stages and the exit layers, for every program of the
// project.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "model/cost_curve.h"
#include "model/exit_heads_info.h"
#include "request/exit_setting.h"

namespace exeunt {

// Layers [begin, end).
struct LayerSpan {
  int begin = 0;
  int end = 0;
};

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
// "0-12,12-30".
std::string SplitText(const std::vector<LayerSpan>& split);
// "auto": near 50, 70, 80 and 90 % of the layers; "none"; or "15,21": each in [1, n_layers). Ascending,
// without doubles.
Result<std::vector<int>> ParseExitLayers(std::string_view text, int n_layers);

}  // namespace exeunt
