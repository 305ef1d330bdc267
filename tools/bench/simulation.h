// Simulates a pipeline of the real stage cores on a virtual clock. Jobs take their costs, and nothing is
// computed. It serves plans, and trials of a scheduling policy without noise. Prompts are read before
// anything is decoded.
#pragma once

#include <vector>

#include "costs/cost_curve.h"
#include "costs/layer_split.h"
#include "tools/bench/bench_report.h"
#include "worker/core/sequence_spec.h"

namespace exeunt::tools {

struct Simulation {
  int n_layers = 0;
  std::vector<LayerSpan> split;
  std::vector<int> exit_layers;
  LayerCosts costs;                                     // seconds
  Duration link_delay = std::chrono::microseconds(20);  // delay of a frame, and of its acknowledgement
  int prefill_chunk_tokens = 256;
};

// Runs the requests from time 0 to their ends and returns the jobs of each stage with their times. Tokens
// that are drawn never end a request early. Exits are those that `forced` draws. Other measures never leave.
std::vector<BenchRank> Simulate(const Simulation& simulation,
                                const std::vector<worker::SequenceSpec>& requests);

// Returns the figures of the workload with the split. Tokens leave as `request.profile` says, with exits only
// after its layers.
BenchFigures SimulateWorkload(const SplitRequest& request, const std::vector<LayerSpan>& split,
                              const BenchWorkload& workload, int prefill_chunk_tokens);

// Returns the split over `request.stages` with which the workload is fastest. It takes the best of the splits
// that are balanced for some number of rows. Then it moves a boundary at a time until no move helps.
std::vector<LayerSpan> PlanSplit(const SplitRequest& request, BenchWorkload workload,
                                 int prefill_chunk_tokens);

}  // namespace exeunt::tools
