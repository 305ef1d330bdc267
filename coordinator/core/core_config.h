// What CoordinatorCore is told once. Times are limits: every wait has one.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "coordinator/core/worker_messages.h"

namespace exeunt::coordinator {

struct CoreConfig {
  uint32_t pipelines = 1;
  uint32_t stages = 1;
  uint64_t first_epoch = 1;  // epochs of one cluster only ever grow, across restarts of the coordinator too
  to_worker::Plan plan;      // sent to every worker that connects
  uint32_t context_length = 0;
  uint32_t max_sequences = 64;  // open at once in one pipeline
  bool prefix_cache = true;     // prompts leave their K/V behind for those that begin as they do
  size_t max_queue = 256;       // requests that wait for a place

  Duration queue_timeout = std::chrono::seconds(600);
  // A job must connect and load within this; each step of loading that is reported extends it.
  Duration load_timeout = std::chrono::seconds(120);
  Duration heartbeat_timeout = std::chrono::seconds(3);
  // A busy worker whose progress counter stands still for so long hangs.
  Duration progress_timeout = std::chrono::seconds(30);
  Duration canary_idle = std::chrono::seconds(10);     // idle for so long: one token is asked for
  Duration canary_timeout = std::chrono::seconds(10);  // and must be there within this
  int32_t canary_token = 0;
  Duration end_timeout = std::chrono::seconds(30);  // for the exit of a job that was ended
  Duration backoff_min = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::seconds(30);
  Duration healthy_after =
      std::chrono::seconds(60);  // ready for so long: the back-off starts from its minimum again
  Duration flush_after = std::chrono::seconds(2);  // a backlog that does not shrink for so long is flushed
  Duration drain_timeout = std::chrono::seconds(30);
  Duration shutdown_grace = std::chrono::seconds(3);  // from Shutdown to the workers to EndPipeline
};

}  // namespace exeunt::coordinator
