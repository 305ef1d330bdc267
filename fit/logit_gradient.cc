#include "fit/logit_gradient.h"

#include <cmath>

namespace exeunt::fit {

std::vector<LogitEntry> RoundedDifference(const float* q, const float* p, int vocab, float unit,
                                          double draw) {
  std::vector<LogitEntry> entries;
  double owed = draw;  // offset of the sampling, in units
  for (int32_t i = 0; i < vocab; ++i) {
    const float value = q[i] - p[i];
    const float size = std::abs(value);
    if (size >= unit) {
      if (size > 0.0F) entries.push_back({i, value});
      continue;
    }
    owed += double{size} / double{unit};
    if (owed < 1.0) continue;
    owed -= 1.0;
    entries.push_back({i, std::copysign(unit, value)});
  }
  return entries;
}

RowMajorMatrix TimesHead(const std::vector<std::vector<LogitEntry>>& gradients, int d, int vocab,
                         const std::function<void(int, float*)>& head) {
  RowMajorMatrix sums = RowMajorMatrix::Zero(static_cast<Eigen::Index>(gradients.size()), d);
  std::vector<size_t> next(gradients.size(), 0);
  Eigen::RowVectorXf row(d);
  for (int32_t token = 0; token < vocab; ++token) {
    bool read = false;
    for (size_t r = 0; r < gradients.size(); ++r) {
      if (next[r] == gradients[r].size() || gradients[r][next[r]].token != token) continue;
      if (!read) head(token, row.data());
      read = true;
      sums.row(static_cast<Eigen::Index>(r)) += gradients[r][next[r]++].value * row;
    }
  }
  return sums;
}

}  // namespace exeunt::fit
