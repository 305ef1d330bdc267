// StageConfig has the fixed settings of a stage. It is a plain struct. The code that fills it in has
// validated it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "model/layer_span.h"
#include "worker/core/sequence_spec.h"

namespace exeunt::worker {

struct StageConfig {
  int rank = 0;
  std::vector<LayerSpan> split;  // the layers of every stage
  uint64_t epoch = 0;
  SequenceLimits limits;
  std::vector<int> exit_layers;  // layers of the whole pipeline after which tokens may leave
  int kv_pages = 0;
  // A chunk of a prompt has the smallest size in this range that makes a row cheap.
  int least_prefill_chunk_tokens = 16;
  int prefill_chunk_tokens = 256;
  bool prefill_first = false;  // makes no decode row while a prompt waits, to measure decoding alone
  int max_batch_rows = 512;
  int passes = 3;            // most successive steps that pass over the deepest segment with a row
  int head_batch_rows = 16;  // fewer rows wait for rows of deeper segments if that makes a row cheaper
  int depth = 1;             // the executor's limit of jobs in flight
  int send_credits = 4;      // limit of frames to the next stage that it has not taken
  // Fills are computed or sent when fill_batch_rows of them wait. They are also computed or sent when the
  // oldest has waited for fill_delay and the stage is idle.
  int fill_batch_rows = 32;
  Duration fill_delay = std::chrono::milliseconds(2);
  bool eager_forwarding = false;  // fills never wait, for tests of invariant 4

  int ranks() const { return static_cast<int>(split.size()); }
  bool first() const { return rank == 0; }
  bool last() const { return rank + 1 == ranks(); }
  LayerSpan layers() const { return split.at(static_cast<size_t>(rank)); }
  // Returns the layers of the next stage. On the last stage this is the empty span behind the last layer.
  LayerSpan next_layers() const {
    if (last()) return {limits.n_layers, limits.n_layers};
    return split.at(static_cast<size_t>(rank) + 1);
  }
};

}  // namespace exeunt::worker
