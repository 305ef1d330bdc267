// StageMetrics reports the work of each pipeline and stage for Prometheus. It reads the core at each scrape.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <vector>

#include "coordinator/core/coordinator_core.h"

namespace exeunt::coordinator {

// The registry must outlive it. One thread.
class StageMetrics {
 public:
  // The stages and their layers are those of the plan.
  StageMetrics(prometheus::Registry* registry, uint32_t pipelines, const to_worker::Plan& plan);
  ~StageMetrics();
  // Adds a stage's counters to those of the coordinator, which outlive restarts of the stage. The stage's
  // counters are totals since it began.
  void Report(uint32_t pipeline, uint64_t epoch, uint32_t rank, const from_worker::StageReport& report);
  // Call it before a scrape.
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
