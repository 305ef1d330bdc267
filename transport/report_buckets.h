// Buckets of the histograms in a StageReport. Both ends of the control channel must use the same ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace exeunt::transport {

// Upper bounds of StageReport::step_rows, in rows of a step. There is one more bucket above the last bound.
inline constexpr std::array<uint32_t, 11> kStepRowsBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
using StepRowsCounts = std::array<uint64_t, kStepRowsBounds.size() + 1>;

inline size_t StepRowsBucket(size_t rows) {
  return static_cast<size_t>(std::lower_bound(kStepRowsBounds.begin(), kStepRowsBounds.end(), rows) -
                             kStepRowsBounds.begin());
}

}  // namespace exeunt::transport
