#include "certify/replay.h"

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/rng.h"
#include "certify/e_process.h"

namespace exeunt::certify {
namespace {

std::optional<int64_t> FirstAlarm(std::span<const double> losses, const ReplayOptions& options,
                                  uint32_t replay) {
  EProcess process(options.delta, options.level);
  for (int64_t i = 0; i < options.requests; ++i) {
    const Philox4 r =
        Philox(options.seed, {replay, static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0});
    if (r[0] >= options.share * 4294967296.0) continue;
    process.Add(losses[(uint64_t{r[1]} << 32 | r[2]) % losses.size()]);
    if (process.alarmed()) return i + 1;
  }
  return std::nullopt;
}

}  // namespace

std::vector<int64_t> ReplayAlarms(std::span<const double> losses, const ReplayOptions& options) {
  CHECK_GE(losses.size(), size_t{1});
  std::vector<int64_t> alarms;
  for (int replay = 0; replay < options.replays; ++replay) {
    const auto alarm = FirstAlarm(losses, options, static_cast<uint32_t>(replay));
    if (alarm) alarms.push_back(*alarm);
  }
  std::sort(alarms.begin(), alarms.end());
  return alarms;
}

}  // namespace exeunt::certify
