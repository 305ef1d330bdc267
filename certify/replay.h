// Replay tells how often and how soon traffic with the losses of these requests would raise a certificate's
// alarm. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt::certify {

struct ReplayOptions {
  int replays = 1000;
  int64_t requests = 10000;  // requests of a replay, drawn with replacement
  double share = 0.02;       // audited share of them
  double delta = 0.05;       // tolerance by which the certificate is watched
  double level = 0.01;       // level of the alarm
  uint64_t seed = 1;
};

// Returns the number of requests until the alarm for each replay that alarmed, ascending. Losses are in [0,
// 1], at least one.
std::vector<int64_t> ReplayAlarms(std::span<const double> losses, const ReplayOptions& options);

}  // namespace exeunt::certify
