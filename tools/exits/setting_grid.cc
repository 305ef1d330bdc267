#include "tools/exits/setting_grid.h"

#include <algorithm>

#include "base/error.h"
#include "tools/exit_options.h"

namespace exeunt::tools {
namespace {

template <typename T>
std::vector<T> Descending(std::vector<T> values) {
  std::sort(values.rbegin(), values.rend());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

}  // namespace

void SettingGrid::AddTo(CLI::App* app) {
  app->add_option("--exit-mode", mode, "off or propagate")->capture_default_str();
  app->add_option("--exit-measure", measures,
                  "preview, candidates, softmax, state, classifier: one or several, by commas")
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--thresholds", thresholds, "confidences at which a token leaves, by commas")
      ->delimiter(',');
  app->add_option("--exit-min-layer", min_layers, "no exit after fewer layers; one or several, by commas")
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--exit-decay-tau", decay_tau, "CALM's decaying threshold; 0: flat")->capture_default_str();
  app->add_option("--exit-decay-n", decay_n, "longest output the decay is stretched over")
      ->capture_default_str();
}

Result<std::vector<ExitSetting>> SettingGrid::Settings(int n_layers) const {
  std::vector<ExitSetting> settings = {ExitSetting{}};
  for (const std::string& measure : Descending(measures)) {
    for (const int min_layer : Descending(min_layers)) {
      if (min_layer < 0 || min_layer >= n_layers) {
        return InvalidArgument("--exit-min-layer: {} is outside [0, {})", min_layer, n_layers);
      }
      for (const float threshold : Descending(thresholds)) {
        if (!(threshold >= 0.0F && threshold < 1.0F)) {
          return InvalidArgument("--thresholds: {} is outside [0, 1)", threshold);
        }
        const ExitOptions options{mode, measure, threshold, min_layer, decay_tau, decay_n, ""};
        ASSIGN_OR_RETURN(const ExitSetting setting, options.Parse(n_layers));
        if (setting.mode == ExitMode::kOff) return settings;
        if (setting.measure == ExitMeasure::kForced) {
          return InvalidArgument("--exit-measure: 'forced' has no threshold");
        }
        settings.push_back(setting);
      }
    }
  }
  return settings;
}

}  // namespace exeunt::tools
