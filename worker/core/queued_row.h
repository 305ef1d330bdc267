// QueuedRow is a state row that waits in a stage, with the slot of its hidden state. FillPolicy says when
// waiting fills are computed or sent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "worker/core/row.h"

namespace exeunt::worker {

struct QueuedRow {
  StateRow row;
  int32_t slot = -1;
  TimePoint since;  // time when it arrived or became a fill
  // The row is in a batch, but nothing is computed for it, because its sequence has failed.
  bool skipped = false;
};

struct WaitingFills {
  size_t rows = 0;
  TimePoint oldest = TimePoint{Duration::max()};

  void Add(TimePoint since) {
    ++rows;
    if (since < oldest) oldest = since;
  }
};

// Fills wait until there are enough of them to share the cost of a job. They also stop waiting when the
// oldest has waited for `delay` and the stage is idle.
struct FillPolicy {
  size_t batch_rows = 0;
  Duration delay{};
  bool eager = false;  // fills never wait
  bool flush = false;  // the fills that wait at present do not wait any longer

  bool Due(const WaitingFills& fills, bool idle, TimePoint now) const {
    if (fills.rows == 0) return false;
    if (eager || flush || fills.rows >= batch_rows) return true;
    return fills.oldest == TimePoint{} || (idle && now - fills.oldest >= delay);
  }
};

}  // namespace exeunt::worker
