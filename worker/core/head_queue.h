// HeadQueue: the rows of a stage that need the head. A row is here because its token leaves, because its
// measure needs the head to decide, or because it scores the prompt's next token. The head's matrix costs as
// much to read as several layers, so rows wait for company. Pure; owned by the stage, and not thread-safe.
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
  size_t segment = 0;       // that it has run through
  int layer = 0;            // that segment's end
  bool decide = false;      // the head says whether the token leaves
  float confidence = 0.0F;  // measured before the head
};

class HeadQueue {
 public:
  // So many rows wait for no others; where fewer cost as little a row, so many.
  explicit HeadQueue(int batch_rows) : batch_rows_(batch_rows) {}

  void Push(const HeadEntry& entry) { entries_.push_back(entry); }
  // The head runs next. Otherwise its rows wait for those of the batcher that are deeper in the stage.
  bool Due(const Batcher& batcher) const;
  // Takes all entries, and makes the job for them. Both keep their memory.
  void Take(SequenceTable* sequences, std::vector<HeadEntry>* taken, HeadJob* job);
  // What a job of so many rows has taken.
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
