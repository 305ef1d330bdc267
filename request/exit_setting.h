// ExitSetting says how the tokens of one request may leave early. It is fixed at admission and travels in the
// `open` row.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "request/exit_measure.h"

namespace exeunt {

// The values are fixed in the wire format.
enum class ExitMode : uint32_t { kOff, kPropagate, kExact, kVerify };

// Names in requests, options and reports.
inline constexpr std::array<const char*, 4> kExitModeNames = {"off", "propagate", "exact", "verify"};
const char* ExitModeName(ExitMode mode);
std::optional<ExitMode> ExitModeOf(std::string_view name);

// One exit of the `forced` measure. A token leaves after `layer` with `probability`. With the probability
// that the exits leave over, it runs all layers.
struct ForcedExit {
  int layer = 0;
  float probability = 0.0F;

  friend bool operator==(const ForcedExit&, const ForcedExit&) = default;
};

// CALM's decaying threshold is clip(0.9 lambda + 0.1 exp(-tau t / n)) (arXiv 2207.07061, eq. 5).
struct ExitDecay {
  float tau = 4.0F;
  int n = 256;  // longest output in tokens, independent of the request's max_tokens

  friend bool operator==(const ExitDecay&, const ExitDecay&) = default;
};

struct ExitSetting {
  ExitMode mode = ExitMode::kOff;
  ExitMeasure measure = ExitMeasure::kSoftmax;
  float threshold = 1.0F;          // no exits at all if >= 1, whatever the decay
  int min_layer = 0;               // fewest layers before an exit
  std::optional<ExitDecay> decay;  // flat threshold if none
  std::vector<ForcedExit> forced;  // for the measure kForced only

  // Whether any token of the request can leave early.
  bool Enabled() const {
    return mode != ExitMode::kOff && (measure == ExitMeasure::kForced ? !forced.empty() : threshold < 1.0F);
  }
  friend bool operator==(const ExitSetting&, const ExitSetting&) = default;
};

}  // namespace exeunt
