// The gradient of KL(p || q) with respect to the logits of q is q - p. Over a whole vocabulary most entries
// are next to nothing. The gradient is rounded to a few entries with the same expectation. Multiplying it by
// the head then costs little beside the head itself.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "fit/affine_map.h"

namespace exeunt::fit {

struct LogitEntry {
  int32_t token = 0;
  float value = 0.0F;
};

// Returns q - p by ascending token. q, p: [vocab]. Entries of at least `unit` are exact. Of the smaller
// entries some become +-unit and the others 0, by systematic sampling from the offset `draw` in [0, 1). Over
// a uniform draw the expectation is exact. There are at most 2 / unit + 1 entries. With a unit of 0 all
// entries that are not 0 are exact.
std::vector<LogitEntry> RoundedDifference(const float* q, const float* p, int vocab, float unit, double draw);

// Returns [gradients.size(), d]. Row r is the sum of value * row `token` of the head over gradients[r].
// head(i, row) writes row i of the head, [d]. Each row is read once, a block at a time.
RowMajorMatrix TimesHead(const std::vector<std::vector<LogitEntry>>& gradients, int d, int vocab,
                         const std::function<void(int, float*)>& head);

}  // namespace exeunt::fit
