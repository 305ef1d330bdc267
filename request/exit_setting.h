// ExitSetting: how the tokens of one request may leave early. Fixed at admission, travels with `open`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "request/exit_measure.h"

namespace exeunt {

// Numbers that the wire keeps.
enum class ExitMode : uint32_t { kOff, kPropagate, kExact, kVerify };

// As requests, options and reports write them.
inline constexpr std::array<const char*, 4> kExitModeNames = {"off", "propagate", "exact", "verify"};
const char* ExitModeName(ExitMode mode);
std::optional<ExitMode> ExitModeOf(std::string_view name);

// One exit of the `forced` measure: tokens leave after `layer` with `probability`; what remains of 1 runs all
// layers.
struct ForcedExit {
  int layer = 0;
  float probability = 0.0F;

  friend bool operator==(const ForcedExit&, const ForcedExit&) = default;
};

// CALM's decaying threshold (arXiv 2207.07061, eq. 5): clip(0.9 lambda + 0.1 exp(-tau t / n)).
struct ExitDecay {
  float tau = 4.0F;
  int n = 256;  // longest output in tokens; never the request's max_tokens

  friend bool operator==(const ExitDecay&, const ExitDecay&) = default;
};

struct ExitSetting {
  ExitMode mode = ExitMode::kOff;
  ExitMeasure measure = ExitMeasure::kSoftmax;
  float threshold = 1.0F;          // >= 1: no exits at all, whatever the decay
  int min_layer = 0;               // exits after fewer layers are not taken
  std::optional<ExitDecay> decay;  // none: a flat threshold
  std::vector<ForcedExit> forced;  // measure kForced only

  // Whether any token of the request can leave early.
  bool Enabled() const {
    return mode != ExitMode::kOff && (measure == ExitMeasure::kForced ? !forced.empty() : threshold < 1.0F);
  }
  friend bool operator==(const ExitSetting&, const ExitSetting&) = default;
};

}  // namespace exeunt
