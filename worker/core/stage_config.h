// StageConfig: what a stage is told before it begins. A plain struct; whoever fills it in has validated it.
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
  std::vector<int> exit_layers;  // of the whole pipeline: exits are possible after so many layers
  int kv_pages = 0;
  // A prompt is cut into chunks of the least size between these two that makes a row cheap.
  int least_prefill_chunk_tokens = 16;
  int prefill_chunk_tokens = 256;
  bool prefill_first = false;  // no decode row is made while a prompt waits: to measure decoding alone
  int max_batch_rows = 512;
  int passes = 3;            // steps in turn that pass over the deepest segment with a row, at most
  int head_batch_rows = 16;  // fewer rows wait for those of deeper segments, where that makes a row cheaper
  int depth = 1;             // jobs in flight: the executor's
  int send_credits = 4;      // frames to the next stage that it has not taken yet
  // Fills are computed or sent when so many of them wait, or when the oldest has waited so long and the stage
  // is idle.
  int fill_batch_rows = 32;
  Duration fill_delay = std::chrono::milliseconds(2);
  bool eager_forwarding = false;  // fills never wait: for tests of invariant 4

  int ranks() const { return static_cast<int>(split.size()); }
  bool first() const { return rank == 0; }
  bool last() const { return rank + 1 == ranks(); }
  LayerSpan layers() const { return split.at(static_cast<size_t>(rank)); }
  // The layers of the next stage; none, behind the last layer, where there is no next stage.
  LayerSpan next_layers() const {
    if (last()) return {limits.n_layers, limits.n_layers};
    return split.at(static_cast<size_t>(rank) + 1);
  }
};

}  // namespace exeunt::worker
