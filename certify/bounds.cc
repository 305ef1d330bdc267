#include "certify/bounds.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/rng.h"

namespace exeunt::certify {
namespace {

constexpr double kLargestBet = 0.95;  // share of the bet that a loss of 1 would ruin
constexpr size_t kMaxSamples = 1 << 24;

double BinomialCdf(double successes, double n, double p) {
  if (successes >= n) return 1.0;
  return boost::math::cdf(boost::math::binomial_distribution<double>(n, p), successes);
}

double HoeffdingBentkus(std::span<const double> losses, double delta) {
  const auto n = static_cast<double>(losses.size());
  double sum = 0;
  for (const double x : losses) sum += std::max(x, 0.0);
  const double a = std::min(sum / n, delta);
  const double left = a > 0 ? a * std::log(a / delta) : 0.0;
  const double right = a < 1 ? (1 - a) * std::log((1 - a) / (1 - delta)) : 0.0;
  const double hoeffding = std::exp(-n * (left + right));
  // A sum just above a whole number because of rounding is that number.
  const double bentkus = std::exp(1.0) * BinomialCdf(std::ceil(sum - 1e-9 * n), n, delta);
  return std::min({1.0, hoeffding, bentkus});
}

double ExactBinomial(std::span<const double> losses, double delta) {
  double ones = 0;
  for (const double x : losses) {
    CHECK_MSG(x == 0.0 || x == 1.0, "the exact binomial test takes losses of 0 or 1, not {}", x);
    ones += x;
  }
  return BinomialCdf(ones, static_cast<double>(losses.size()), delta);
}

// The bets are nu_i = sqrt(2 ln(1/epsilon) / (n s_{i-1}^2)), where s^2 is the running variance with a prior
// of 1/4. A bet is at most kLargestBet / (1 - delta) (predictable plug-in, eq. 15 and 26 of the paper).
class Wealth {
 public:
  Wealth(size_t n, const BoundOptions& options)
      : delta_(options.delta),
        scale_(2 * std::log(1 / options.epsilon) / static_cast<double>(n)),
        most_(kLargestBet / (1 - options.delta)) {}

  void Add(double x) {
    const double variance = squares_ / (count_ + 1);
    log_wealth_ += std::log1p(-std::min(most_, std::sqrt(scale_ / variance)) * (x - delta_));
    log_most_ = std::max(log_most_, log_wealth_);
    count_ += 1;
    sum_ += x;
    const double mean = (0.5 * delta_ + sum_) / (count_ + 0.5);
    squares_ += (x - mean) * (x - mean);
  }
  double p_value() const { return std::exp(-log_most_); }

 private:
  double delta_, scale_, most_;
  double count_ = 0, sum_ = 0, squares_ = 0.25;
  double log_wealth_ = 0, log_most_ = 0;
};

double Wsr(std::span<const double> losses, const BoundOptions& options) {
  std::vector<size_t> order(losses.size());
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = order.size(); i > 1; --i) {  // Fisher-Yates; the bias of a 64-bit remainder is negligible
    const Philox4 r = Philox(options.seed, {static_cast<uint32_t>(i), 0, 0, 0});
    std::swap(order[i - 1], order[(uint64_t{r[0]} << 32 | r[1]) % i]);
  }
  Wealth wealth(losses.size(), options);
  for (const size_t i : order) {
    CHECK_MSG(losses[i] <= 1.0, "a loss of {} is over 1", losses[i]);
    wealth.Add(losses[i]);
  }
  return wealth.p_value();
}

}  // namespace

const char* BoundName(Bound bound) { return kBoundNames.at(static_cast<size_t>(bound)); }

std::optional<Bound> BoundOf(std::string_view name) {
  const auto it = std::find(kBoundNames.begin(), kBoundNames.end(), name);
  if (it == kBoundNames.end()) return std::nullopt;
  return static_cast<Bound>(it - kBoundNames.begin());
}

double PValue(Bound bound, std::span<const double> losses, const BoundOptions& options) {
  CHECK_MSG(options.delta > 0 && options.delta < 1, "delta {} is outside (0, 1)", options.delta);
  if (losses.empty()) return 1.0;
  switch (bound) {
    case Bound::kHoeffdingBentkus:
      return HoeffdingBentkus(losses, options.delta);
    case Bound::kBinomial:
      return ExactBinomial(losses, options.delta);
    case Bound::kWsr:
      return Wsr(losses, options);
  }
  return 1.0;
}

double UpperBound(Bound bound, std::span<const double> losses, BoundOptions options) {
  double low = 1e-4;
  double high = 1 - 1e-4;
  while (high - low > 1e-4) {
    options.delta = (low + high) / 2;
    (PValue(bound, losses, options) <= options.epsilon ? high : low) = options.delta;
  }
  return high;
}

// Uses bisection, because more losses of 0 never make the p-value larger.
size_t SmallestSampleCount(Bound bound, const BoundOptions& options) {
  const auto enough = [&](size_t n) {
    return PValue(bound, std::vector<double>(n, 0.0), options) <= options.epsilon;
  };
  size_t high = 1;
  while (!enough(high) && high < kMaxSamples) high *= 2;
  size_t low = high / 2;
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

std::optional<size_t> FixedSequence(std::span<const double> p_values, double epsilon) {
  std::optional<size_t> last;
  for (size_t i = 0; i < p_values.size(); ++i) {
    if (!(p_values[i] <= epsilon)) break;
    last = i;
  }
  return last;
}

std::vector<size_t> ParetoOrder(std::span<const SettingPoint> points) {
  std::vector<size_t> order(points.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return points[a].loss != points[b].loss ? points[a].loss < points[b].loss
                                            : points[a].cost < points[b].cost;
  });
  std::vector<size_t> front;
  for (const size_t i : order) {
    if (front.empty() || points[i].cost < points[front.back()].cost) front.push_back(i);
  }
  return front;
}

}  // namespace exeunt::certify
