#include "certify/e_process.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace exeunt::certify {
namespace {

constexpr double kLargestBet = 0.5;  // share of the bet that a loss of 0 would ruin

}  // namespace

EProcess::EProcess(double delta, double level, const EProcessState& state)
    : delta_(delta), level_(level), state_(state) {
  CHECK_MSG(delta > 0 && delta < 1 && level > 0 && level < 1, "delta {} or level {} is outside (0, 1)", delta,
            level);
}

// The bet is the one that would have been best for the losses so far, by mean and variance (aGRAPA, the
// paper's appendix B.3). It is 0 while the mean is below delta.
void EProcess::Add(double loss) {
  const double x = std::clamp(loss, 0.0, 1.0);
  const auto n = static_cast<double>(state_.count);
  const double mean = (0.5 * delta_ + state_.sum) / (n + 0.5);
  const double variance = state_.squares / (n + 1);
  const double excess = mean - delta_;
  const double bet = std::clamp(excess / (variance + excess * excess), 0.0, kLargestBet / delta_);
  state_.log_wealth += std::log1p(bet * (x - delta_));
  state_.log_largest = std::max(state_.log_largest, state_.log_wealth);
  ++state_.count;
  state_.sum += x;
  const double now = (0.5 * delta_ + state_.sum) / (n + 1.5);
  state_.squares += (x - now) * (x - now);
}

double EProcess::wealth() const { return std::exp(std::min(state_.log_wealth, 700.0)); }
bool EProcess::alarmed() const { return state_.log_largest >= -std::log(level_); }
double EProcess::mean_loss() const {
  return state_.count == 0 ? 0.0 : state_.sum / static_cast<double>(state_.count);
}

}  // namespace exeunt::certify
