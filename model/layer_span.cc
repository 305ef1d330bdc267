#include "model/layer_span.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <set>

#include "base/error.h"

namespace exeunt {
namespace {

std::vector<std::string_view> Parts(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

Result<int> Number(const char* option, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidArgument("{}: '{}' is not a number", option, text);
  }
  return value;
}

}  // namespace

Result<std::vector<LayerSpan>> ParseLayerSpans(std::string_view text, int n_layers) {
  std::vector<LayerSpan> spans;
  int next = 0;
  for (const std::string_view part : Parts(text, ',')) {
    const auto ends = Parts(part, '-');
    if (ends.size() != 2) return InvalidArgument("--split: '{}' is not of the form 0-12", part);
    ASSIGN_OR_RETURN(const int begin, Number("--split", ends[0]));
    ASSIGN_OR_RETURN(const int end, Number("--split", ends[1]));
    if (begin != next) return InvalidArgument("--split: '{}' does not begin at layer {}", part, next);
    if (end <= begin) return InvalidArgument("--split: '{}' has no layer", part);
    spans.push_back({begin, end});
    next = end;
  }
  if (next != n_layers) return InvalidArgument("--split ends at layer {}, the model has {}", next, n_layers);
  return spans;
}

std::string SplitText(const std::vector<LayerSpan>& split) {
  std::string text;
  for (const LayerSpan& span : split) {
    text += fmt::format("{}{}-{}", text.empty() ? "" : ",", span.begin, span.end);
  }
  return text;
}

Result<std::vector<int>> ParseExitLayers(std::string_view text, int n_layers) {
  std::set<int> layers;
  if (text == "auto") {
    for (const double share : {0.5, 0.7, 0.8, 0.9}) {
      const int layer = static_cast<int>(std::lround(share * n_layers));
      if (layer >= 1 && layer < n_layers) layers.insert(layer);
    }
  } else if (text != "none") {
    for (const std::string_view part : Parts(text, ',')) {
      ASSIGN_OR_RETURN(const int layer, Number("--exit-layers", part));
      if (layer < 1 || layer >= n_layers) {
        return InvalidArgument("--exit-layers: {} is outside [1, {})", layer, n_layers);
      }
      layers.insert(layer);
    }
  }
  return std::vector<int>(layers.begin(), layers.end());
}

}  // namespace exeunt
