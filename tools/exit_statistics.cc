#include "tools/exit_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace exeunt {

void Reliability::Add(double confidence, bool agrees) {
  const auto bin = static_cast<size_t>(std::clamp(confidence * kBins, 0.0, kBins - 1.0));
  ++rows[bin];
  agreeing[bin] += agrees ? 1 : 0;
}

double Reliability::Auc() const {
  double below = 0;  // rows that do not agree, of less confidence
  double pairs = 0;
  double wins = 0;
  double yes = 0;
  for (size_t b = 0; b < kBins; ++b) {
    const auto agree = static_cast<double>(agreeing[b]);
    const double differ = static_cast<double>(rows[b]) - agree;
    wins += agree * (below + 0.5 * differ);
    below += differ;
    yes += agree;
  }
  pairs = yes * below;
  return pairs == 0 ? 0.5 : wins / pairs;
}

Reliability::Above Reliability::AtLeast(double threshold) const {
  uint64_t all = 0;
  uint64_t above = 0;
  uint64_t agree = 0;
  for (size_t b = 0; b < kBins; ++b) {
    all += rows[b];
    if (static_cast<double>(b) < threshold * kBins - 1e-9) continue;
    above += rows[b];
    agree += agreeing[b];
  }
  if (above == 0) return {};
  return {static_cast<double>(above) / static_cast<double>(all),
          static_cast<double>(agree) / static_cast<double>(above)};
}

void ExitStatistics::Add(const Distribution& exit, const Distribution& last, double kl) {
  const bool agrees = exit.argmax == last.argmax;
  ++rows;
  agreeing += agrees ? 1 : 0;
  divergence += kl;
  softmax.Add(exit.margin(), agrees);
}

double Distribution::margin() const {
  return (1.0 - std::exp(double{top2} - double{top1})) * std::exp(-log_sum);
}

Distribution Summarise(const float* logits, int n) {
  Distribution d{.top1 = -std::numeric_limits<float>::infinity(),
                 .top2 = -std::numeric_limits<float>::infinity()};
  for (int i = 0; i < n; ++i) {
    if (logits[i] > d.top1) {
      d.top2 = d.top1;
      d.top1 = logits[i];
      d.argmax = i;
    } else {
      d.top2 = std::max(d.top2, logits[i]);
    }
  }
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += double{std::exp(logits[i] - d.top1)};
  d.log_sum = std::log(sum);
  return d;
}

double Divergence(const float* p, const Distribution& of_p, const float* q, const Distribution& of_q, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    const double log_p = double{p[i]} - double{of_p.top1} - of_p.log_sum;
    if (log_p < -30.0) continue;  // adds less than 1e-12
    sum += std::exp(log_p) * (log_p - (double{q[i]} - double{of_q.top1} - of_q.log_sum));
  }
  return sum;
}

}  // namespace exeunt
