// Checks the contract of every executor (backend/executor.h). A test of an executor calls
// RunExecutorConformance.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backend/executor.h"

namespace exeunt {

struct ConformanceSubject {
  // Makes a new executor of all layers of one model, with its head. Reserve fails above `max_slots`.
  std::function<std::unique_ptr<Executor>(int max_slots)> make;
  int n_layers = 0;  // at least 4
  int vocab_size = 0;
  int exit_layer = 0;                       // layer of an exit
  std::vector<ExitMeasure> measures;        // measures with signals at that exit
  std::function<void()> pass_time = [] {};  // advances the time of an executor that runs on the test's clock
};

void RunExecutorConformance(const ConformanceSubject& subject);

}  // namespace exeunt
