#include "model/exit_policy.h"

#include <algorithm>
#include <climits>
#include <cmath>

#include "base/check.h"
#include "base/rng.h"

namespace exeunt {

float ThresholdAt(const ExitSetting& setting, int t) {
  if (!setting.decay) return setting.threshold;
  const double decayed =
      0.9 * double{setting.threshold} + 0.1 * std::exp(-double{setting.decay->tau} * t / setting.decay->n);
  return static_cast<float>(std::clamp(decayed, 0.0, 1.0));
}

int ForcedLayer(const ExitSetting& setting, uint64_t seed, uint32_t choice, uint32_t position) {
  float u = UniformAt(seed, choice, position, RngPurpose::kForcedExit);
  for (const ForcedExit& exit : setting.forced) {
    if (u < exit.probability) return exit.layer;
    u -= exit.probability;
  }
  return INT_MAX;
}

bool MayExit(const ExitSetting& setting, int layer) {
  return setting.Enabled() && layer >= setting.min_layer;
}

void CalmExitPolicy::Decide(std::span<const ExitQuery> queries, std::span<uint8_t> decisions) const {
  CHECK_EQ(queries.size(), decisions.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    const ExitQuery& q = queries[i];
    if (!MayExit(*q.setting, q.layer)) {
      decisions[i] = 0;
    } else if (q.setting->measure == ExitMeasure::kForced) {
      decisions[i] = q.layer >= ForcedLayer(*q.setting, q.seed, q.choice, q.position) ? 1 : 0;
    } else {
      decisions[i] = q.signal >= ThresholdAt(*q.setting, q.t) ? 1 : 0;
    }
  }
}

}  // namespace exeunt
