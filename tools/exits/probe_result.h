// What `exeunt probe` found out, and its two renderings.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "costs/cost_curve.h"
#include "tools/exits/exit_statistics.h"

namespace exeunt::tools {

// Costs of one row in a batch of `rows`, in units of a layer's.
struct ProbeCosts {
  int rows = 0;
  double layer_us = 0.0;  // one row through one layer, microseconds
  double fill = 0.0;
  double head = 0.0;
};

// A set of exits and what an oracle would make of it: each token leaves at the first exit that agrees.
struct ExitChoice {
  std::vector<int> layers;  // ascending
  double mean_layers = 0.0;
  double speed_up = 1.0;        // with one full head a token
  double cheap_speed_up = 1.0;  // with a head of a tenth of the cost at exits
};

struct ProbeResult {
  std::string model;
  int n_layers = 0;
  size_t prompts = 0;
  uint64_t tokens = 0;
  std::map<int, ExitStatistics> raw;     // by layer: the shared norm and head on the state as it is
  std::map<int, ExitStatistics> fitted;  // through the translators of --exits
  std::map<int, uint64_t> oracle;        // tokens by OracleDepth
  ProbeCosts costs;
  ExitChoice every_layer;
  std::vector<ExitChoice> worth;  // the best sets of 1, 2, ... exits, each the one before and one more
};

// Which exits agree with the last layer for one token, by layer.
using Agreements = std::vector<bool>;  // [n_layers]; entry m: after m layers; entry 0 is unused

// The first layer after which the exit agrees; n_layers where none does.
int OracleDepth(const Agreements& agrees);
// The oracle's cost of the tokens with exits after `layers`.
ExitChoice OracleChoice(const std::vector<Agreements>& tokens, std::vector<int> layers,
                        const ProbeCosts& costs);
// Greedy: the exit that saves most is added as long as it saves a hundredth and there are fewer than `most`.
std::vector<ExitChoice> WorthHaving(const std::vector<Agreements>& tokens, const std::vector<int>& candidates,
                                    const ProbeCosts& costs, size_t most);

std::string ProbeTable(const ProbeResult& result);
std::string ProbeHtml(const ProbeResult& result);

}  // namespace exeunt::tools
