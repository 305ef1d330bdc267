// The cores measure time in nanoseconds of a monotonic clock. They never read a clock. Their caller passes
// the time in, so that a simulator can drive them with a virtual clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace exeunt {

using Duration = std::chrono::nanoseconds;

struct TimePoint {
  Duration since_start{0};
  friend auto operator<=>(const TimePoint&, const TimePoint&) = default;
  friend TimePoint operator+(TimePoint t, Duration d) { return {t.since_start + d}; }
  friend Duration operator-(TimePoint a, TimePoint b) { return a.since_start - b.since_start; }
};

inline TimePoint MonotonicNow() { return {std::chrono::steady_clock::now().time_since_epoch()}; }

inline Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}
inline double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace exeunt
