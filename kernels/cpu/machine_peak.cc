#include "kernels/cpu/machine_peak.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

namespace exeunt::cpu {
namespace {

constexpr int kPasses = 15;
constexpr int kDotIterations = 100'000;

// Returns the seconds of the fastest pass.
template <typename Body>
double Fastest(Body body) {
  double fastest = 1e9;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    fastest = std::min(fastest, took.count());
  }
  return fastest;
}

}  // namespace

double MeasureReadBandwidth(size_t bytes, ThreadPool* pool) {
  const auto threads = static_cast<size_t>(pool->threads());
  const size_t words = bytes / sizeof(float) / threads / 16 * 16;  // floats of one thread
  std::vector<float> buffer(words * threads, 1.0F);
  std::vector<float> sums(threads);
  const Ops& ops = OpsFor(DefaultIsa());
  const double seconds = Fastest([&] {
    pool->Run(pool->threads(), [&](int i) {
      const auto at = static_cast<size_t>(i);
      sums[at] += ops.read_floats(&buffer[at * words], words);
    });
  });
  return static_cast<double>(words * threads * sizeof(float)) / seconds;
}

double MeasureIntDotPeak(const Ops& ops, ThreadPool* pool) {
  std::vector<double> macs(static_cast<size_t>(pool->threads()));
  const double seconds = Fastest([&] {
    pool->Run(pool->threads(), [&](int i) { macs[static_cast<size_t>(i)] = ops.int_dots(kDotIterations); });
  });
  return std::accumulate(macs.begin(), macs.end(), 0.0) / seconds;
}

}  // namespace exeunt::cpu
