// StageMetrics: what each pipeline and each of its stages does, for Prometheus, taken from the core when
// scraped.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <vector>

#include "coordinator/core/coordinator_core.h"

namespace exeunt::coordinator {

// The registry outlives it. One thread.
class StageMetrics {
 public:
  // Stages and their layers are the plan's.
  StageMetrics(prometheus::Registry* registry, uint32_t pipelines, const to_worker::Plan& plan);
  ~StageMetrics();
  // A stage has reported: its counters (totals since it began) are added to ours, which outlive its restarts.
  void Report(uint32_t pipeline, uint64_t epoch, uint32_t rank, const from_worker::StageReport& report);
  // Before a scrape.
  void Update(TimePoint now, const CoordinatorCore& core);

 private:
  struct Families;
  struct Stage;
  struct Replica;
  void AddExits(uint32_t pipeline, Stage* stage, const from_worker::StageReport& report);

  std::unique_ptr<Families> families_;
  std::vector<std::vector<Stage>> stages_;  // [pipeline][rank]
  std::vector<Replica> replicas_;
};

}  // namespace exeunt::coordinator
