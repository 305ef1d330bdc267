// Batcher: the rows that wait in a stage, and which of them run together. The stage's layers are cut into
// segments by its exit points. Rows wait in one queue per segment, in the order of their sequence. A batch is
// a prefix of a queue: rows of many sequences are regrouped at every segment, and never reordered within one
// sequence. Pure; owned by the stage, and not thread-safe. It allocates nothing once its queues have held
// their most.
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
  bool exit = false;  // exits are possible at its end
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
  // Fails where the plan ends inside a segment, or asks for what no stage has: such a row cannot be carried
  // out here.
  Status Check(const RowPlan& plan) const;

  void Push(size_t segment, const QueuedRow& row) { segments_[segment].queue.push_back(row); }
  // A row waits to be run in this segment or a deeper one.
  bool HasRunnable(size_t first_segment) const;
  // The segment to run next; none: nothing runs now. Counts the steps in turn that passed a segment over.
  std::optional<size_t> Pick(const FillPolicy& fills, TimePoint now);
  // Takes the rows of the segment's next batch, and makes the job for them. Both keep their memory. Rows of sequences
  // that have failed are in the batch, in order, and not in the job.
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
  int passed_over_ = 0;  // steps in turn in which the deepest segment with a row was not run
};

}  // namespace exeunt::worker
