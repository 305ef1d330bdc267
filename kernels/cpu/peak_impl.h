// Loops for machine_peak.h that each load one resource only. Only the per-instruction-set translation units
// include this header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/unroll.h"

namespace exeunt::cpu {
namespace {

// Returns the sum of n floats, read as fast as possible. n is a multiple of 64.
template <class V>
float ReadFloats(const float* x, size_t n) {
  typename V::F sum[4] = {V::Zero(), V::Zero(), V::Zero(), V::Zero()};
  for (size_t i = 0; i + 64 <= n; i += 64) {
    for (size_t j = 0; j < 4; ++j) sum[j] = V::Add(sum[j], V::Load(x + i + 16 * j));
  }
  return V::ReduceAdd(V::Add(V::Add(sum[0], sum[1]), V::Add(sum[2], sum[3])));
}

// Runs independent integer dot products on registers. Returns the number of multiply-accumulates.
template <class V>
double IntDots(int iterations) {
  constexpr int kChains = 2 * V::kRowTile;  // chains that hide the latency of one
  alignas(64) const uint8_t weights[64] = {1, 2, 3};
  const int8_t activations[4] = {1, -1, 2, -2};
  typename V::I acc[kChains];
  EXEUNT_UNROLL for (int c = 0; c < kChains; ++c) acc[c] =
      V::SetInt(c);  // all different, so that the compiler computes each of them
  const auto w = V::LoadB(weights);
  for (int i = 0; i < iterations; ++i) {
    EXEUNT_UNROLL for (int c = 0; c < kChains; ++c) acc[c] = V::Dot(acc[c], w, activations);
  }
  for (int c = 1; c < kChains; ++c) acc[0] = V::AddInt(acc[0], acc[c]);
  volatile int32_t sink = V::ReduceAddInt(acc[0]);
  static_cast<void>(sink);
  return static_cast<double>(iterations) * kChains * 64;
}

}  // namespace
}  // namespace exeunt::cpu
