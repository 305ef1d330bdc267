// The results of `exeunt probe`, and their two renderings.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "costs/cost_curve.h"
#include "tools/exits/exit_statistics.h"

namespace exeunt::tools {

// The costs of one row in a batch of `rows`, in units of a layer's cost.
struct ProbeCosts {
  int rows = 0;
  double layer_us = 0.0;  // microseconds of one row through one layer
  double fill = 0.0;
  double head = 0.0;
};

// A set of exits and an oracle's result with it. With an oracle each token leaves at the first exit that
// agrees.
struct ExitChoice {
  std::vector<int> layers;  // ascending
  double mean_layers = 0.0;
  double speed_up = 1.0;        // with one full head per token
  double cheap_speed_up = 1.0;  // with a head of a tenth of the cost at exits
};

struct ProbeResult {
  std::string model;
  int n_layers = 0;
  size_t prompts = 0;
  uint64_t tokens = 0;
  std::map<int, ExitStatistics> raw;     // by layer: the shared norm and head on the unchanged state
  std::map<int, ExitStatistics> fitted;  // by layer: through the translators of --exits
  std::map<int, uint64_t> oracle;        // tokens by OracleDepth
  ProbeCosts costs;
  ExitChoice every_layer;
  // The best sets of 1, 2, ... exits. Each is the one before and one more exit.
  std::vector<ExitChoice> worth;
};

// Says by layer which exits agree with the last layer for one token.
using Agreements = std::vector<bool>;  // [n_layers]; entry m is the exit after m layers; entry 0 is unused

// Returns the first layer after which the exit agrees, or n_layers if none does.
int OracleDepth(const Agreements& agrees);
// Returns the oracle's cost of the tokens with exits after `layers`.
ExitChoice OracleChoice(const std::vector<Agreements>& tokens, std::vector<int> layers,
                        const ProbeCosts& costs);
// Greedily adds the exit that saves most, while it saves a hundredth and there are fewer than `most`.
std::vector<ExitChoice> WorthHaving(const std::vector<Agreements>& tokens, const std::vector<int>& candidates,
                                    const ProbeCosts& costs, size_t most);

std::string ProbeTable(const ProbeResult& result);
std::string ProbeHtml(const ProbeResult& result);

}  // namespace exeunt::tools
