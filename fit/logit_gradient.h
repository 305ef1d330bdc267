// The gradient of KL(p || q) with respect to the logits of q is q - p: over a whole vocabulary, most of it
// next to nothing. It is rounded to few entries whose expectation it is, so that carrying it back through the
// head costs little beside the head itself.
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

// q - p, both [vocab], by ascending token. Entries of at least `unit` are exact; of the smaller ones some
// become +-unit, the others 0 (systematic sampling from the offset `draw` in [0, 1): over a uniform draw the
// expectation is exact). At most 2 / unit + 1 entries. A unit of 0: all that are not 0, exactly.
std::vector<LogitEntry> RoundedDifference(const float* q, const float* p, int vocab, float unit, double draw);

// Row r: sum of value * row `token` of the head, over gradients[r]; [gradients.size(), d]. head(i, row)
// writes row i of the head, [d]; each is asked for once, a block at a time.
RowMajorMatrix TimesHead(const std::vector<std::vector<LogitEntry>>& gradients, int d, int vocab,
                         const std::function<void(int, float*)>& head);

}  // namespace exeunt::fit
