// Parses layers as options write them: the spans of stages, and the layers after which tokens may leave.
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

// Parses a split such as "0-12,12-30". The spans must be contiguous, not empty, and cover all layers. The
// error names the option --split.
Result<std::vector<LayerSpan>> ParseLayerSpans(std::string_view text, int n_layers);
// Formats a split such as "0-12,12-30".
std::string SplitText(const std::vector<LayerSpan>& split);
// Parses "auto" (near 50, 70, 80 and 90 % of the layers), "none", or a list such as "15,21" with each layer
// in [1, n_layers). The result is ascending and without duplicates.
Result<std::vector<int>> ParseExitLayers(std::string_view text, int n_layers);

}  // namespace exeunt
