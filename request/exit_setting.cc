#include "request/exit_setting.h"

#include <algorithm>

namespace exeunt {

const char* ExitModeName(ExitMode mode) { return kExitModeNames.at(static_cast<size_t>(mode)); }

std::optional<ExitMode> ExitModeOf(std::string_view name) {
  const auto it = std::find(kExitModeNames.begin(), kExitModeNames.end(), name);
  if (it == kExitModeNames.end()) return std::nullopt;
  return static_cast<ExitMode>(it - kExitModeNames.begin());
}

}  // namespace exeunt
