// The Batcher holds the rows that wait in a stage and decides which of them run together. The exit points cut
// the stage's layers into segments. Rows wait in one queue per segment, in the order of their sequence. A
// batch is a prefix of a queue. Rows of many sequences are therefore regrouped at every segment and never
// reordered within one sequence. Pure. The stage owns it. Not thread-safe. It allocates nothing once its
// queues have had their largest size.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "backend/executor.h"
#include "base/clock.h"
#include "base/fifo.h"
#include "worker/core/queued_row.h"
#include "worker/core/sequence_table.h"
#include "worker/core/stage_config.h"

namespace exeunt::worker {

struct Segment {
  LayerSpan layers;
  bool exit = false;  // whether tokens may leave at its end
  Fifo<QueuedRow> queue;
};

// The rows of one segment job, in the order of their queue.
struct Batch {
  size_t segment = 0;
  std::vector<QueuedRow> rows;
};

class Batcher {
 public:
  explicit Batcher(const StageConfig& config);

  size_t segments() const { return segments_.size(); }
  const Segment& segment(size_t index) const { return segments_[index]; }
  size_t rows() const;
  WaitingFills fills() const;
  // Fails if the plan ends inside a segment or asks for something that no stage has. The stage cannot run
  // such a row.
  Status Check(const RowPlan& plan) const;

  void Push(size_t segment, const QueuedRow& row) { segments_[segment].queue.push_back(row); }
  // Returns whether a row waits to be run in this segment or a deeper one.
  bool HasRunnable(size_t first_segment) const;
  // Returns the segment to run next, or nothing if none runs yet. It also counts how often in turn a segment
  // was passed over.
  std::optional<size_t> Pick(const FillPolicy& fills, TimePoint now);
  // Takes the rows of the segment's next batch and makes the job for them. Both keep their memory. Rows of
  // failed sequences are in the batch, in order, but not in the job.
  void Take(size_t segment, SequenceTable* sequences, Batch* batch, SegmentJob* job);

  // Removes the rows for which predicate(row, is_fill) is true.
  template <typename Predicate>
  void RemoveIf(Predicate predicate) {
    for (Segment& segment : segments_) {
      segment.queue.RemoveIf(
          [&](QueuedRow& row) { return predicate(row, row.row.plan.FillsIn(segment.layers)); });
    }
  }
  template <typename Visit>
  void VisitFills(Visit visit) const {
    for (const Segment& segment : segments_) {
      for (const QueuedRow& row : segment.queue) {
        if (row.row.plan.FillsIn(segment.layers)) visit(row);
      }
    }
  }

 private:
  std::vector<Segment> segments_;
  size_t max_batch_rows_;
  int passes_;
  int n_layers_;
  int passed_over_ = 0;  // successive steps that did not run the deepest segment with a row
};

}  // namespace exeunt::worker
