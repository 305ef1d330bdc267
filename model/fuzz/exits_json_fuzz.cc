// Feeds any bytes to ParseExitHeadsInfo. It must refuse or accept, and never crash. What it accepts must keep
// to its limits.
#include <cstdint>

#include "base/check.h"
#include "model/exit_heads_info.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr int kLayers = 30;
  const auto info = exeunt::ParseExitHeadsInfo({reinterpret_cast<const char*>(data), size}, kLayers);
  if (!info.has_value()) return 0;
  int before = 0;
  for (const auto& exit : info->exits) {
    CHECK_GT(exit.layer, before);
    CHECK_LT(exit.layer, kLayers);
    before = exit.layer;
  }
  return 0;
}
