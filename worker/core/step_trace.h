// StepTrace records what a stage computed and when, as one span per job. A StageRunner fills it if one is
// set. It serves benchmarks and traces. It is bounded: spans beyond the capacity are counted and dropped.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/executor.h"
#include "base/clock.h"

namespace exeunt::worker {

struct StepSpan {
  TimePoint begin;
  TimePoint end;
  // In a head job, layer_begin and layer_end are the largest number of layers that ran before it.
  int32_t layer_begin = 0;
  int32_t layer_end = 0;
  int32_t run_rows = 0;   // rows that ran the layers or the head
  int32_t fill_rows = 0;  // rows whose K/V was only projected

  bool head() const { return layer_begin == layer_end; }
};

// Returns the span of a job without its times.
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
