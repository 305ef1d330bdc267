// The fixed settings of CoordinatorCore. Times are limits: every wait has one.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "coordinator/core/worker_messages.h"

namespace exeunt::coordinator {

struct CoreConfig {
  uint32_t pipelines = 1;
  uint32_t stages = 1;
  uint64_t first_epoch = 1;  // epochs of one cluster only grow, also across restarts of the coordinator
  to_worker::Plan plan;      // sent to every worker that connects
  uint32_t context_length = 0;
  uint32_t max_sequences = 64;  // limit of open sequences in one pipeline
  bool prefix_cache = true;     // whether prompts leave retained prefixes
  size_t max_queue = 256;       // limit of requests that wait for a place

  Duration queue_timeout = std::chrono::seconds(600);
  // The time in which a job must connect and load. Each reported step of loading extends it.
  Duration load_timeout = std::chrono::seconds(120);
  Duration heartbeat_timeout = std::chrono::seconds(3);
  // The time after which a busy worker whose progress counter stands still is considered to hang.
  Duration progress_timeout = std::chrono::seconds(30);
  Duration canary_idle = std::chrono::seconds(10);     // idle time after which a canary is sent
  Duration canary_timeout = std::chrono::seconds(10);  // time in which its token must arrive
  int32_t canary_token = 0;
  Duration end_timeout = std::chrono::seconds(30);  // time in which an ended job must exit
  Duration backoff_min = std::chrono::seconds(1);
  Duration backoff_max = std::chrono::seconds(30);
  Duration healthy_after =
      std::chrono::seconds(60);  // time in state ready after which the back-off starts from its minimum again
  Duration flush_after = std::chrono::seconds(2);  // age of a standing backlog that is flushed
  Duration drain_timeout = std::chrono::seconds(30);
  Duration shutdown_grace = std::chrono::seconds(3);  // time from Shutdown to the workers until EndPipeline
};

}  // namespace exeunt::coordinator
