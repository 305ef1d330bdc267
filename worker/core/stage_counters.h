// The counters and the progress that a stage reports.
#pragma once

#include <cstdint>
#include <map>

#include "transport/report_buckets.h"

namespace exeunt::worker {

// Totals since the stage began, and current values.
struct StageCounters {
  uint64_t steps = 0;  // number of segment jobs
  uint64_t live_rows = 0;
  uint64_t prompt_rows = 0;
  uint64_t fill_rows = 0;
  uint64_t fills_dropped = 0;
  uint64_t fills_sent = 0;
  uint64_t frames_sent = 0;   // frames to the next stage
  uint64_t returns_sent = 0;  // frames of tokens to stage 0
  uint64_t frames_received = 0;
  uint64_t stale_frames = 0;  // frames of another epoch, and rows of an old generation or a closed sequence
  uint64_t largest_batch_rows = 0;
  uint64_t mixed_batches = 0;             // jobs with rows of several sequences
  transport::StepRowsCounts step_rows{};  // number of steps by their rows
  int micro_batches_max = 0;
  std::map<int, uint64_t> exits;  // tokens that left here, by the layers that they ran
};

struct SequenceProgress {
  uint64_t sequence = 0;
  int watermark = 0;  // least watermark of the segments
  int backlog = 0;    // fills that wait here
};

}  // namespace exeunt::worker
