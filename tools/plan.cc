#include "tools/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"
#include "tools/exit_options.h"
#include "worker/layer_costs.h"

namespace exeunt {
namespace {

struct PlanOptions {
  std::string model;
  int stages = 2;
  std::string profile;
  CostMeasurement measurement;
  bool quiet = false;
  bool json = false;
};

Status Plan(const PlanOptions& options) {
  ASSIGN_OR_RETURN(const auto source, ModelSource::Open(options.model));
  SplitRequest request{.stages = options.stages, .n_layers = source->config().n_layers};
  ASSIGN_OR_RETURN(request.profile, ParseForced(options.profile, request.n_layers));
  RETURN_IF_ERROR(ParseSplit("even", request));  // checks the number of stages before anything is measured
  ASSIGN_OR_RETURN(request.costs, MeasureLayerCosts(source, options.measurement));
  const auto split = BalancedSplit(request);
  if (options.quiet) {
    fmt::print("{}\n", SplitText(split));
    return OkStatus();
  }
  if (options.json) {
    const boost::json::object json = {{"rows", options.measurement.rows},
                                      {"threads", options.measurement.threads},
                                      {"layer_us", request.costs.layer * 1e6},
                                      {"fill_us", request.costs.fill * 1e6},
                                      {"head_us", request.costs.head * 1e6},
                                      {"layers", request.n_layers},
                                      {"split", SplitText(split)}};
    fmt::print("{}\n", boost::json::serialize(json));
    return OkStatus();
  }
  fmt::print(
      "a row, of {} in a step, {} thread(s): layer {:.2f} us, fill {:.2f} us a layer, head {:.2f} us\n",
      options.measurement.rows, options.measurement.threads, request.costs.layer * 1e6,
      request.costs.fill * 1e6, request.costs.head * 1e6);
  double worst = 0;
  for (const LayerSpan& span : split) worst = std::max(worst, StageCost(request, span));
  for (const LayerSpan& span : split) {
    const double cost = StageCost(request, span);
    fmt::print("layers {}-{}: {:.1f} us a token, {:.0f} % busy at best\n", span.begin, span.end, cost * 1e6,
               100 * cost / worst);
  }
  fmt::print("--split {}   {:.0f} tokens/s at best\n", SplitText(split), 1 / worst);
  return OkStatus();
}

}  // namespace

void AddPlan(CLI::App* app, int* status) {
  auto options = std::make_shared<PlanOptions>();
  CLI::App* verb =
      app->add_subcommand("plan", "Balance the layers over stages by what they cost on this machine");
  verb->add_option("model", options->model, "GGUF file or Hugging Face directory")->required();
  verb->add_option("--stages", options->stages, "pipeline stages")->capture_default_str();
  verb->add_option("--threads", options->measurement.threads, "compute threads a stage")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--rows", options->measurement.rows, "rows of a step that costs are measured with")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  verb->add_option("--exit-profile", options->profile,
                   "layer:share,... of tokens that are expected to leave after a layer");
  verb->add_flag("--json", options->json, "one JSON object");
  verb->add_flag("-q,--quiet", options->quiet, "print the split only");
  verb->callback([options, status] {
    const Status result = Plan(*options);
    if (result.has_value()) return;
    std::fprintf(stderr, "exeunt plan: %s\n", result.error().message.c_str());
    *status = 1;
  });
}

}  // namespace exeunt
