// An ExitPolicy decides whether a token leaves at an exit. Decisions are a pure function of the queries.
#pragma once

#include <cstdint>
#include <span>

#include "request/exit_setting.h"

namespace exeunt {

struct ExitQuery {
  const ExitSetting* setting = nullptr;
  int layer = 0;        // exit layer: number of layers that ran so far
  int t = 0;            // index of the token in the output
  float signal = 0.0F;  // value of the setting's measure at this exit; unused by kForced
  uint64_t seed = 0;    // kForced: the request's seed and choice, and the token's position
  uint32_t choice = 0;
  uint32_t position = 0;
};

class ExitPolicy {
 public:
  virtual ~ExitPolicy() = default;
  // Sets decisions[i] != 0 if query i's token leaves. Both spans have the same length.
  virtual void Decide(std::span<const ExitQuery> queries, std::span<uint8_t> decisions) const = 0;
};

// CALM's rule (arXiv 2207.07061, section 3.2). A token leaves at the first exit with c >= lambda_t, or at the
// exit that `forced` drew.
class CalmExitPolicy : public ExitPolicy {
 public:
  void Decide(std::span<const ExitQuery> queries, std::span<uint8_t> decisions) const override;
};

// Returns lambda_t = clip_[0,1](0.9 lambda + 0.1 exp(-tau t / n)), or lambda itself without a decay.
float ThresholdAt(const ExitSetting& setting, int t);
// Returns the layer that `forced` drew for a position, or INT_MAX to run all layers.
int ForcedLayer(const ExitSetting& setting, uint64_t seed, uint32_t choice, uint32_t position);
// Returns whether the mode, the threshold and the minimum layer allow a token to leave after `layer`.
bool MayExit(const ExitSetting& setting, int layer);

}  // namespace exeunt
