// HeadQueue holds the rows of a stage that need the head. A row needs it if its token leaves, if its measure
// decides with the head, or if it scores the prompt's next token. Reading the head's matrix costs as much as
// several layers, so that rows wait for others. Pure. The stage owns it. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "backend/executor.h"
#include "costs/learnt_cost.h"
#include "worker/core/batcher.h"
#include "worker/core/queued_row.h"
#include "worker/core/sequence_table.h"

namespace exeunt::worker {

struct HeadEntry {
  QueuedRow row;
  size_t segment = 0;       // segment that the row has run through
  int layer = 0;            // end of that segment
  bool decide = false;      // whether the head decides if the token leaves
  float confidence = 0.0F;  // confidence that was measured before the head
};

class HeadQueue {
 public:
  // A queue of batch_rows rows does not wait. A shorter queue does not wait either if its cost per row is as
  // low.
  explicit HeadQueue(int batch_rows) : batch_rows_(batch_rows) {}

  void Push(const HeadEntry& entry) { entries_.push_back(entry); }
  // Returns whether the head runs next. Otherwise its rows wait for rows of the batcher that are deeper in
  // the stage.
  bool Due(const Batcher& batcher) const;
  // Takes all entries and makes the job for them. Both keep their memory.
  void Take(SequenceTable* sequences, std::vector<HeadEntry>* taken, HeadJob* job);
  // Learns the time of a job of `rows` rows.
  void Observe(int rows, double seconds) { cost_.Observe(rows, seconds); }
  size_t size() const { return entries_.size(); }

  // Removes the rows for which predicate(row) is true.
  template <typename Predicate>
  void RemoveIf(Predicate predicate) {
    std::erase_if(entries_, [&](HeadEntry& entry) { return predicate(entry.row); });
  }

 private:
  int batch_rows_;
  std::vector<HeadEntry> entries_;
  LearntCost cost_;
};

}  // namespace exeunt::worker
