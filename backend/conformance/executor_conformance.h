// What every executor must do, whatever computes behind it (backend/executor.h). Call it from a test of the executor.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backend/executor.h"

namespace exeunt {

struct ConformanceSubject {
  // A new executor of all layers of one model, with its head. Reserve fails above `max_slots`.
  std::function<std::unique_ptr<Executor>(int max_slots)> make;
  int n_layers = 0;  // at least 4
  int vocab_size = 0;
  int exit_layer = 0;                       // an exit is after it,
  std::vector<ExitMeasure> measures;        // which has these signals
  std::function<void()> pass_time = [] {};  // where the executor's time is the test's
};

void RunExecutorConformance(const ConformanceSubject& subject);

}  // namespace exeunt
