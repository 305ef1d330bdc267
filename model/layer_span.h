// Layers of a model as options write them: spans of stages, and the layers after which tokens may leave.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt {

// Layers [begin, end).
struct LayerSpan {
  int begin = 0;
  int end = 0;
};

// "0-12,12-30": contiguous, none empty, all layers. The error names the option --split.
Result<std::vector<LayerSpan>> ParseLayerSpans(std::string_view text, int n_layers);
// "0-12,12-30".
std::string SplitText(const std::vector<LayerSpan>& split);
// "auto": near 50, 70, 80 and 90 % of the layers; "none"; or "15,21": each in [1, n_layers). Ascending,
// without doubles.
Result<std::vector<int>> ParseExitLayers(std::string_view text, int n_layers);

}  // namespace exeunt
