#include "tools/exit_options.h"

#include <fmt/ranges.h>

#include <charconv>
#include <sstream>

#include "base/error.h"

namespace exeunt::tools {
namespace {

Result<int> ParseLayer(const std::string& text, int n_layers) {
  int layer = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), layer);
  if (error != std::errc() || end != text.data() + text.size() || layer < 1 || layer >= n_layers) {
    return InvalidArgument("exit layer '{}' is not a number in [1, {})", text, n_layers);
  }
  return layer;
}

std::vector<std::string> SplitAtCommas(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

}  // namespace

Result<std::vector<ForcedExit>> ParseForced(const std::string& text, int n_layers) {
  std::vector<ForcedExit> forced;
  double sum = 0;
  for (const std::string& part : SplitAtCommas(text)) {
    const size_t colon = part.find(':');
    ASSIGN_OR_RETURN(const int layer, ParseLayer(part.substr(0, colon), n_layers));
    char* end = nullptr;
    const float p = colon == std::string::npos ? -1.0F : std::strtof(&part[colon + 1], &end);
    if (!(p >= 0.0F && p <= 1.0F) || *end != '\0')
      return InvalidArgument("--forced '{}': not layer:probability", part);
    forced.push_back({layer, p});
    sum += double{p};
  }
  if (sum > 1.0 + 1e-6) return InvalidArgument("--forced: probabilities add up to {}, over 1", sum);
  return forced;
}

void ExitOptions::AddTo(CLI::App* app) {
  app->add_option("--exit-mode", mode, "off or propagate")->capture_default_str();
  app->add_option("--exit-measure", measure, "softmax, state, classifier, forced, preview or candidates")
      ->capture_default_str();
  app->add_option("--exit-threshold", threshold, "confidence at which a token leaves; 1: never")
      ->capture_default_str();
  app->add_option("--exit-min-layer", min_layer, "no exit after fewer layers")->capture_default_str();
  app->add_option("--exit-decay-tau", decay_tau, "CALM's decaying threshold; 0: flat")->capture_default_str();
  app->add_option("--exit-decay-n", decay_n, "longest output the decay is stretched over")
      ->capture_default_str();
  app->add_option("--forced", forced, "layer:probability,... for the measure 'forced'");
}

Result<ExitSetting> ExitOptions::Parse(int n_layers) const {
  ExitSetting setting;
  const auto named_mode = ExitModeOf(mode);
  if (!named_mode) return InvalidArgument("--exit-mode '{}' is not one of off, propagate", mode);
  if (*named_mode == ExitMode::kExact || *named_mode == ExitMode::kVerify) {
    return Unimplemented("--exit-mode {} is not built yet; modes are off and propagate", mode);
  }
  setting.mode = *named_mode;
  const auto named_measure = ExitMeasureOf(measure);
  if (!named_measure) {
    return InvalidArgument("--exit-measure '{}' is not one of {}", measure,
                           fmt::join(kExitMeasureNames, ", "));
  }
  setting.measure = *named_measure;
  setting.threshold = threshold;
  setting.min_layer = min_layer;
  if (decay_tau > 0.0F) {
    if (decay_n < 1) return InvalidArgument("--exit-decay-n {} is not positive", decay_n);
    setting.decay = ExitDecay{decay_tau, decay_n};
  }
  ASSIGN_OR_RETURN(setting.forced, ParseForced(forced, n_layers));
  return setting;
}

}  // namespace exeunt::tools
