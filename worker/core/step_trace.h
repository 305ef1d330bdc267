// StepTrace: what a stage computed, and when: one span per job. Filled by StageRunner where one is set; for
// benchmarks and traces. Bounded: spans beyond the capacity are counted and dropped.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/executor.h"
#include "base/clock.h"

namespace exeunt::worker {

struct StepSpan {
  TimePoint begin;
  TimePoint end;
  int32_t layer_begin = 0;  // of a head job: both are the layers run before it, at most
  int32_t layer_end = 0;
  int32_t run_rows = 0;   // rows through the layers, or through the head
  int32_t fill_rows = 0;  // rows that only had K/V projected

  bool head() const { return layer_begin == layer_end; }
};

// What the job is; its times are still to be filled in.
StepSpan SpanOf(const Job& job);

class StepTrace {
 public:
  explicit StepTrace(size_t capacity = size_t{1} << 20) : capacity_(capacity) {}
  void Add(const StepSpan& span) { spans_.size() < capacity_ ? spans_.push_back(span) : void(++dropped_); }
  const std::vector<StepSpan>& spans() const { return spans_; }
  uint64_t dropped() const { return dropped_; }
  void Clear() {
    spans_.clear();
    dropped_ = 0;
  }

 private:
  size_t capacity_;
  std::vector<StepSpan> spans_;
  uint64_t dropped_ = 0;
};

}  // namespace exeunt::worker
