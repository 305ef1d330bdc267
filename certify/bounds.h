// Computes p-values for "the mean loss is over delta" from n losses of independent prompts. The
// fixed-sequence test finds a threshold with them: Learn-then-Test (Angelopoulos et al., arXiv 2110.01052).
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace exeunt::certify {

// The formula of a p-value. All are valid for any distribution of losses in their range.
//   hoeffding_bentkus  losses in [0, 1]; a signed loss is clipped at 0, which can only make the p-value
//                      larger
//                      p = min(exp(-n h1(min(r, delta), delta)), e BinCDF(ceil(n r); n, delta))
//   binomial           losses 0 or 1
//                      p = BinCDF(n r; n, delta)
//   wsr                losses at most 1, also negative ones: the betting martingale of Waudby-Smith and
//                      Ramdas (arXiv 2010.09686)
//                      p = min(1, 1 / max_t prod_{i <= t} (1 - nu_i (x_i - delta)))
enum class Bound : uint8_t { kHoeffdingBentkus, kBinomial, kWsr };
inline constexpr std::array<const char*, 3> kBoundNames = {"hoeffding_bentkus", "binomial", "wsr"};
const char* BoundName(Bound bound);
std::optional<Bound> BoundOf(std::string_view name);

struct BoundOptions {
  double delta = 0.05;    // in (0, 1)
  double epsilon = 0.05;  // in (0, 1); wsr sizes its bets for a test of this level
  uint64_t seed = 1;      // wsr: seed of the order in which the losses are taken
};

double PValue(Bound bound, std::span<const double> losses, const BoundOptions& options);

// Returns the least delta at which the losses' mean is certified (p <= options.epsilon), to 1e-4. It is an
// upper confidence bound of the mean, and at most 1 - 1e-4. options.delta is not used.
double UpperBound(Bound bound, std::span<const double> losses, BoundOptions options);

// Returns the least number of losses with which a test can succeed. This is the number for losses of 0.
size_t SmallestSampleCount(Bound bound, const BoundOptions& options);

// Returns the last hypothesis, in their order, that is rejected before the first that is not rejected.
// Returns nothing if the first is not rejected. The chance that any true hypothesis is rejected is at most
// epsilon.
std::optional<size_t> FixedSequence(std::span<const double> p_values, double epsilon);

// Pareto testing of several parameters at once (Laufer-Goldshtein et al., arXiv 2210.07913). On development
// data it finds the settings that no other beats in both cost and loss. They are returned from the least loss
// to the largest, which is the order for FixedSequence.
struct SettingPoint {
  double cost = 0.0;
  double loss = 0.0;
};
std::vector<size_t> ParetoOrder(std::span<const SettingPoint> points);

}  // namespace exeunt::certify
