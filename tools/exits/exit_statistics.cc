#include "tools/exits/exit_statistics.h"

#include <algorithm>

namespace exeunt::tools {

void Reliability::Add(double confidence, bool agrees) {
  const auto bin = static_cast<size_t>(std::clamp(confidence * kBins, 0.0, kBins - 1.0));
  ++rows[bin];
  agreeing[bin] += agrees ? 1 : 0;
}

double Reliability::Auc() const {
  double below = 0;  // rows of less confidence that do not agree
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

void ExitStatistics::Add(const JudgedRow& row) {
  ++rows;
  agreeing += row.agrees ? 1 : 0;
  divergence += row.divergence;
  softmax.Add(double{row.margin}, row.agrees);
}

}  // namespace exeunt::tools
