// SequenceTable: the sequences that are open on a stage, their K/V pages, watermarks and tokens, and the
// prefixes that closed sequences have left behind. Pure; owned by the stage, and not thread-safe. A
// Sequence stays where it is in memory until it is released.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/result.h"
#include "worker/core/page_allocator.h"
#include "worker/core/row.h"
#include "worker/core/sequence_spec.h"

namespace exeunt::worker {

struct Sequence {
  std::shared_ptr<const SequenceSpec> spec;
  uint32_t generation = 0;
  std::vector<int32_t> pages;
  std::vector<int32_t> tokens;  // prompt and what was generated, as far as seen here
  std::vector<int> watermark;   // per segment: K/V of the positions below it is there
  int rows_in_jobs = 0;
  int kept = 0;  // rows below it run when the sequence is over, too: others use their K/V, or they score
  int scores_due = 0;    // rows that wait for the head, or are in it, to score the next token
  bool closing = false;  // it is over; it stays until those rows, and the rows in jobs, are done
  ControlKind closed_by = ControlKind::kClose;
  // A job of it failed here, or it shares K/V with one of which a job failed. Its rows run on, so that nobody waits for
  // them, but none gives a token or a score.
  bool failed = false;
  int retained = 0;          // tokens whose pages stay behind; known once it is closing
  bool close_sent = false;   // the next stage has been told
  int prompt_issued = 0;     // stage 0: prompt rows that were made, or shared
  uint64_t micro_batch = 0;  // stage 0: the number of the frame that carried its row; 0: none

  uint64_t id() const { return spec->sequence; }
  // The row belongs to what the sequence is now.
  bool IsCurrent(const StateRow& row) const { return !closing && row.generation == generation; }
  // The row runs even when its sequence is over.
  bool Outlives(const StateRow& row) const { return row.position < kept; }
  // The row's score goes out, unless the sequence is cancelled or has failed.
  bool Scores(const StateRow& row) const {
    return row.plan.Scores() && closed_by != ControlKind::kCancel && !failed;
  }
  // K/V of the position is there in the segment. No row runs above a gap.
  void Advance(size_t segment, int32_t position);
  int LeastWatermark() const;
  // Positions below `position` stay, under the new generation.
  void Rollback(uint32_t to_generation, int32_t position);
  void Close(ControlKind by, int retained_tokens);
  // Of a sequence that is closing: all rows that outlive it have run here.
  bool RowsHaveRun() const { return watermark.back() >= kept; }
  // Of a sequence that is closing: no job and no score needs it.
  bool IsUnused() const {
    const bool scores = scores_due > 0 && closed_by != ControlKind::kCancel;
    return rows_in_jobs == 0 && !scores;
  }
};

class SequenceTable {
 public:
  struct Options {
    int kv_pages = 0;
    size_t segments = 0;
    // Stage 0: a sequence whose source has ended shares nothing. Elsewhere that is an error, because stage 0
    // has decided.
    bool decides_sharing = false;
  };
  explicit SequenceTable(const Options& options);

  // Allocates all pages of the sequence, or takes the shared ones from its source.
  Result<Sequence*> Open(SequenceSpec spec);
  Sequence* Find(uint64_t id);
  // The sequence of a row that has arrived, whose token it has afterwards; nullptr: the row is stale.
  Result<Sequence*> Arrive(const StateRow& row);
  // The sequence of a row that comes back from a job. A sequence outlives its rows in jobs.
  Sequence* FromJob(const StateRow& row);
  // Marks the sequence as failed, and those that are open and share K/V with it. Calls visit(sequence) for each that
  // was not marked before.
  template <typename Visit>
  void Fail(Sequence* sequence, Visit visit) {
    if (std::exchange(sequence->failed, true)) return;
    visit(*sequence);
    for (const auto& [id, other] : sequences_) {
      if (other->spec->prefix_of == sequence->id()) Fail(other.get(), visit);
    }
  }
  // Frees its pages but those that it leaves behind. The sequence is gone afterwards.
  void Release(const Sequence& sequence);
  // Frees what the sequence has left behind; false: there is nothing.
  Result<bool> Evict(uint64_t id);

  bool empty() const { return sequences_.empty(); }
  size_t size() const { return sequences_.size(); }
  uint64_t opened() const { return opened_; }
  const PageAllocator& pages() const { return pages_; }
  const std::map<uint64_t, std::unique_ptr<Sequence>>& sequences() const { return sequences_; }

 private:
  struct Retained {
    std::shared_ptr<const SequenceSpec> spec;
    std::vector<int32_t> pages;
    int tokens = 0;
    bool failed = false;
  };

  Status SharePrefix(SequenceSpec* spec, Sequence* sequence);

  Options options_;
  std::map<uint64_t, std::unique_ptr<Sequence>> sequences_;
  std::map<uint64_t, Retained> retained_;  // what closed sequences have left behind
  PageAllocator pages_;
  uint64_t opened_ = 0;
};

}  // namespace exeunt::worker
