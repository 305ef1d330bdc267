// How an operator writes the split of layers over stages and the exit layers, for every program of the
// project.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt {

// Layers [begin, end).
struct LayerSpan {
  int begin = 0;
  int end = 0;
};

// Layers as evenly as they go. 1 <= stages <= n_layers.
std::vector<LayerSpan> EvenSplit(int n_layers, int stages);
// "auto": EvenSplit; else "0-12,12-30": contiguous, none empty, all layers, as many as there are stages.
Result<std::vector<LayerSpan>> ParseSplit(std::string_view text, int stages, int n_layers);
// "auto": near 50, 70, 80 and 90 % of the layers; "none"; or "15,21": each in [1, n_layers). Ascending,
// without doubles.
Result<std::vector<int>> ParseExitLayers(std::string_view text, int n_layers);

}  // namespace exeunt
