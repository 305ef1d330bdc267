// QueuedRow: a state row that waits in a stage, with the slot of its hidden state. FillPolicy: when fills
// that wait are computed or sent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "worker/core/row.h"

namespace exeunt::worker {

struct QueuedRow {
  StateRow row;
  int32_t slot = -1;
  TimePoint since;       // when it arrived, or became a fill
  bool skipped = false;  // it is in a batch, and nothing is computed for it: its sequence has failed
};

struct WaitingFills {
  size_t rows = 0;
  TimePoint oldest = TimePoint{Duration::max()};

  void Add(TimePoint since) {
    ++rows;
    if (since < oldest) oldest = since;
  }
};

// Fills wait until enough of them are there to share the cost of a job, or until the stage has had nothing
// better to do for a while.
struct FillPolicy {
  size_t batch_rows = 0;
  Duration delay{};
  bool eager = false;  // fills never wait
  bool flush = false;  // nor do those that are there now

  bool Due(const WaitingFills& fills, bool idle, TimePoint now) const {
    if (fills.rows == 0) return false;
    if (eager || flush || fills.rows >= batch_rows) return true;
    return fills.oldest == TimePoint{} || (idle && now - fills.oldest >= delay);
  }
};

}  // namespace exeunt::worker
