#include "request/exit_setting.h"

#include <algorithm>

namespace exeunt {

const char* ExitModeName(ExitMode mode) { return kExitModeNames.at(static_cast<size_t>(mode)); }
const char* ExitMeasureName(ExitMeasure measure) {
  return kExitMeasureNames.at(static_cast<size_t>(measure));
}

std::optional<ExitMode> ExitModeOf(std::string_view name) {
  const auto it = std::find(kExitModeNames.begin(), kExitModeNames.end(), name);
  if (it == kExitModeNames.end()) return std::nullopt;
  return static_cast<ExitMode>(it - kExitModeNames.begin());
}

std::optional<ExitMeasure> ExitMeasureOf(std::string_view name) {
  const auto it = std::find(kExitMeasureNames.begin(), kExitMeasureNames.end(), name);
  if (it == kExitMeasureNames.end()) return std::nullopt;
  return static_cast<ExitMeasure>(it - kExitMeasureNames.begin());
}

}  // namespace exeunt
