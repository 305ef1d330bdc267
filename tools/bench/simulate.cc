// exeunt simulate predicts the speed of a pipeline from measured costs.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "costs/layer_split.h"
#include "tools/bench/plan.h"
#include "tools/bench/simulation.h"
#include "tools/exit_options.h"
#include "tools/verbs.h"

namespace exeunt::tools {
namespace {

constexpr int kLongestContext = 1 << 20;

struct SimulateOptions {
  std::string costs;
  int stages = 2;
  std::string split = "auto";
  std::string profile;
  std::vector<std::string> workloads = {"decode:1", "decode:8", "decode:32"};
  int prefill_chunk = 256;
};

Status RunSimulation(const SimulateOptions& options) {
  ASSIGN_OR_RETURN(const PlanCosts plan, ReadPlanCosts(options.costs));
  SplitRequest request{.stages = options.stages, .n_layers = plan.n_layers, .costs = plan.costs};
  ASSIGN_OR_RETURN(request.profile, ParseForced(options.profile, plan.n_layers));
  ASSIGN_OR_RETURN(std::vector<LayerSpan> split, ParseSplit(options.split, request));
  for (const std::string& text : options.workloads) {
    ASSIGN_OR_RETURN(const BenchWorkload workload, ParseWorkload(text, kLongestContext));
    if (options.split == "auto") split = PlanSplit(request, workload, options.prefill_chunk);
    fmt::print("{}", FiguresText(workload.name,
                                 SimulateWorkload(request, split, workload, options.prefill_chunk), split));
  }
  return OkStatus();
}

}  // namespace

void AddSimulate(CLI::App* app, int* status) {
  auto options = std::make_shared<SimulateOptions>();
  CLI::App* verb = app->add_subcommand(
      "simulate",
      "What a pipeline would do: the real scheduler on a virtual clock, with costs that plan measured");
  verb->add_option("costs", options->costs, "what 'exeunt plan MODEL --json' printed")->required();
  verb->add_option("--stages", options->stages, "pipeline stages")->capture_default_str();
  verb->add_option("--split", options->split, "layers of the stages: auto, even, or 0-12,12-30")
      ->capture_default_str();
  verb->add_option("--exit-profile", options->profile, "layer:share,... of tokens that leave after a layer");
  verb->add_option("--workload", options->workloads,
                   "prefill:TOKENS, decode:STREAMS[xTOKENS], context:TOKENS; several may be given")
      ->capture_default_str();
  verb->add_option("--prefill-chunk", options->prefill_chunk, "prompt tokens a step, at most")
      ->check(CLI::Range(1, 8192))
      ->capture_default_str();
  verb->callback([options, status] { *status = Report("simulate", RunSimulation(*options)); });
}

}  // namespace exeunt::tools
