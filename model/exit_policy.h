// ExitPolicy: whether a token leaves at an exit. Pure: decisions are a function of the queries only.
#pragma once

#include <cstdint>
#include <span>

#include "request/exit_setting.h"

namespace exeunt {

struct ExitQuery {
  const ExitSetting* setting = nullptr;
  int layer = 0;        // layers run so far: this exit's number
  int t = 0;            // index of the token in the output
  float signal = 0.0F;  // the setting's measure at this exit; unused by kForced
  uint64_t seed = 0;    // kForced: the request's seed, choice, and the position of the token
  uint32_t choice = 0;
  uint32_t position = 0;
};

class ExitPolicy {
 public:
  virtual ~ExitPolicy() = default;
  // decisions[i] != 0: query i's token leaves. Both spans have one length.
  virtual void Decide(std::span<const ExitQuery> queries, std::span<uint8_t> decisions) const = 0;
};

// CALM's rule (arXiv 2207.07061, section 3.2): leave at the first exit with c >= lambda_t, or where `forced`
// drew it.
class CalmExitPolicy : public ExitPolicy {
 public:
  void Decide(std::span<const ExitQuery> queries, std::span<uint8_t> decisions) const override;
};

// lambda_t = clip_[0,1](0.9 lambda + 0.1 exp(-tau t / n)); lambda itself without a decay.
float ThresholdAt(const ExitSetting& setting, int t);
// The layer that `forced` drew for a position; n_layers is returned as INT_MAX: run everything.
int ForcedLayer(const ExitSetting& setting, uint64_t seed, uint32_t choice, uint32_t position);
// Whether a token may leave after `layer` at all: the mode, the threshold and the minimum layer allow it.
bool MayExit(const ExitSetting& setting, int layer);

}  // namespace exeunt
