// A pipeline of the real stage cores on a virtual clock: jobs take what their costs say, nothing is computed.
// For plans, and for trying a scheduling policy without noise. Prompts are read before anything is decoded.
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
  Duration link_delay = std::chrono::microseconds(20);  // of a frame, and of its acknowledgement
  int prefill_chunk_tokens = 256;
};

// Runs the requests from time 0 to their ends; what each stage did and when. Tokens that are drawn never end
// a request early; exits are those that `forced` draws, other measures never leave.
std::vector<BenchRank> Simulate(const Simulation& simulation,
                                const std::vector<worker::SequenceSpec>& requests);

// What the workload reaches with the split, where tokens leave as `request.profile` says, at exits after just
// its layers.
BenchFigures SimulateWorkload(const SplitRequest& request, const std::vector<LayerSpan>& split,
                              const BenchWorkload& workload, int prefill_chunk_tokens);

// The split over `request.stages` that the workload is fastest with: the best of those that are balanced for
// some number of rows, improved a boundary at a time until no move helps.
std::vector<LayerSpan> PlanSplit(const SplitRequest& request, BenchWorkload workload,
                                 int prefill_chunk_tokens);

}  // namespace exeunt::tools
