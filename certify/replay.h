// Replay: how often traffic that loses as these requests did would raise a certificate's alarm, and how soon.
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt::certify {

struct ReplayOptions {
  int replays = 1000;
  int64_t requests = 10000;  // of a replay, drawn with replacement
  double share = 0.02;       // of them that is audited
  double delta = 0.05;       // that the certificate is watched by
  double level = 0.01;       // of the alarm
  uint64_t seed = 1;
};

// Of each replay that alarmed, the requests until then, ascending. Losses in [0, 1], at least one.
std::vector<int64_t> ReplayAlarms(std::span<const double> losses, const ReplayOptions& options);

}  // namespace exeunt::certify
