#include "costs/layer_split.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"

namespace exeunt {
namespace {

constexpr int kFillRows = 32;  // rows of a usual fill job, because fills wait for others

}  // namespace

std::vector<LayerSpan> EvenSplit(int n_layers, int stages) {
  CHECK_GE(stages, 1);
  CHECK_GE(n_layers, stages);
  std::vector<LayerSpan> spans;
  for (int i = 0; i < stages; ++i) spans.push_back({n_layers * i / stages, n_layers * (i + 1) / stages});
  return spans;
}

LayerCosts EstimateLayerCosts(const ModelConfig& config) {
  const double d = config.d_model;
  LayerCosts costs;
  const double fill = 2 * d * config.d_kv();
  costs.fill = CostCurve(fill);
  costs.layer = CostCurve(fill + 2 * d * config.d_q() + 3 * d * config.d_ff);
  costs.head = CostCurve(d * config.vocab_size);
  return costs;
}

std::optional<CostCurve> EstimateExitCost(const ModelConfig& config, const ExitHeadsInfo& exits,
                                          ExitMeasure measure) {
  const double d = config.d_model;
  if (Info(measure).signal == SignalSource::kHead) return EstimateLayerCosts(config).head;
  switch (Info(measure).needs) {
    case ExitArtefact::kPreview:
      if (!exits.preview) return std::nullopt;
      return CostCurve(exits.preview->rank * (d + config.vocab_size) +
                       exits.preview->groups * kPreviewGroupTokens * d);
    case ExitArtefact::kCandidates:
      if (!exits.candidates) return std::nullopt;
      return CostCurve(static_cast<double>(exits.candidates->tokens.size()) * d);
    case ExitArtefact::kNone:
    case ExitArtefact::kClassifier:
      return std::nullopt;
  }
  return std::nullopt;
}

double StageCost(const SplitRequest& request, LayerSpan layers) {
  const LayerCosts& costs = request.costs;
  const auto share_that_leaves = [&](int after, int until) {  // after layers (after, until]
    double share = 0;
    for (const ForcedExit& exit : request.profile) {
      if (exit.layer > after && exit.layer <= until) share += double{exit.probability};
    }
    return share;
  };
  // Rows of a step that leave in one stage share a head job.
  const int last = layers.end == request.n_layers ? request.n_layers - 1 : layers.end;
  double heads = costs.exit ? 0 : share_that_leaves(layers.begin, last);
  if (layers.end == request.n_layers) heads += 1 - share_that_leaves(0, last);
  double cost = costs.head.Expected(request.rows, heads);
  for (const ForcedExit& exit : request.profile) {
    if (!costs.exit || exit.layer <= layers.begin || exit.layer > layers.end) continue;
    cost += costs.exit->Expected(request.rows, 1 - share_that_leaves(0, exit.layer - 1));
  }
  for (int layer = layers.begin; layer < layers.end; ++layer) {
    const double left = share_that_leaves(0, layer);
    cost += costs.layer.Expected(request.rows, 1 - left);
    cost += request.rows * left * costs.fill.Row(kFillRows);
  }
  return cost / request.rows;
}

std::vector<LayerSpan> BalancedSplit(const SplitRequest& request) {
  CHECK_GE(request.stages, 1);
  CHECK_GE(request.n_layers, request.stages);
  const auto n = static_cast<size_t>(request.n_layers);
  const auto stages = static_cast<size_t>(request.stages);
  // worst[s][e] is the least cost of the costliest of s stages that hold layers [0, e). from[s][e] is where
  // the last of them begins.
  std::vector<std::vector<double>> worst(stages + 1, std::vector<double>(n + 1, HUGE_VAL));
  std::vector<std::vector<size_t>> from(stages + 1, std::vector<size_t>(n + 1, 0));
  worst[0][0] = 0;
  for (size_t s = 1; s <= stages; ++s) {
    for (size_t end = s; end <= n; ++end) {
      for (size_t begin = s - 1; begin < end; ++begin) {
        if (worst[s - 1][begin] >= worst[s][end]) continue;
        const double cost = std::max(worst[s - 1][begin],
                                     StageCost(request, {static_cast<int>(begin), static_cast<int>(end)}));
        if (cost < worst[s][end]) {
          worst[s][end] = cost;
          from[s][end] = begin;
        }
      }
    }
  }
  std::vector<LayerSpan> spans(stages);
  size_t end = n;
  for (size_t s = stages; s > 0; --s) {
    spans[s - 1] = {static_cast<int>(from[s][end]), static_cast<int>(end)};
    end = from[s][end];
  }
  return spans;
}

Result<std::vector<LayerSpan>> ParseSplit(std::string_view text, const SplitRequest& request) {
  const int stages = request.stages;
  const int n_layers = request.n_layers;
  if (stages < 1 || stages > n_layers) {
    return InvalidArgument("--stages is {}, the model has {} layers: a stage needs at least one", stages,
                           n_layers);
  }
  if (text == "auto") return BalancedSplit(request);
  if (text == "even") return EvenSplit(n_layers, stages);
  ASSIGN_OR_RETURN(std::vector<LayerSpan> spans, ParseLayerSpans(text, n_layers));
  if (spans.size() != static_cast<size_t>(stages)) {
    return InvalidArgument("--split has {} stages, --stages is {}", spans.size(), stages);
  }
  return spans;
}

}  // namespace exeunt
