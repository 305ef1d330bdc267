#include "worker/core/step_trace.h"

namespace exeunt::worker {

StepSpan SpanOf(const Job& job) {
  StepSpan span;
  if (const auto* segment = std::get_if<SegmentJob>(&job.work)) {
    span.layer_begin = segment->layer_begin;
    span.layer_end = segment->layer_end;
    span.run_rows = static_cast<int32_t>(segment->run.size());
    span.fill_rows = static_cast<int32_t>(segment->fill.size());
  } else {
    const auto& head = std::get<HeadJob>(job.work);
    span.layer_begin = span.layer_end = head.rows.back().layer;
    span.run_rows = static_cast<int32_t>(head.rows.size());
  }
  return span;
}

}  // namespace exeunt::worker
