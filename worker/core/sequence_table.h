// SequenceTable has the open sequences of a stage with their K/V pages, watermarks and tokens, and the
// retained prefixes of closed sequences. Pure. The stage owns it. Not thread-safe. A Sequence does not move
// in memory before it is released.
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
  std::vector<int32_t> tokens;  // prompt and generated tokens that this stage has seen
  std::vector<int> watermark;   // per segment: all K/V below this position is there
  int rows_in_jobs = 0;
  // Rows below `kept` also run after the sequence is over, because others use their K/V or because they
  // score.
  int kept = 0;
  int scores_due = 0;  // rows that score the next token and are waiting for the head or in it
  // The sequence is over. It stays until the rows below `kept` and the rows in jobs are done.
  bool closing = false;
  ControlKind closed_by = ControlKind::kClose;
  // A job of the sequence failed here, or it shares K/V with one that failed. Its rows still run, so that
  // nobody waits for them, but they give no token and no score.
  bool failed = false;
  int retained = 0;          // tokens whose pages are retained; known once it is closing
  bool close_sent = false;   // whether the next stage has been told
  int prompt_issued = 0;     // stage 0: prompt rows that were made or shared
  uint64_t micro_batch = 0;  // stage 0: number of the frame that carried its row; 0: none

  uint64_t id() const { return spec->sequence; }
  // Returns whether the row belongs to the current generation of an open sequence.
  bool IsCurrent(const StateRow& row) const { return !closing && row.generation == generation; }
  // Returns whether the row runs although its sequence is over.
  bool Outlives(const StateRow& row) const { return row.position < kept; }
  // Returns whether the row's score is reported. It is not if the sequence is cancelled or has failed.
  bool Scores(const StateRow& row) const {
    return row.plan.Scores() && closed_by != ControlKind::kCancel && !failed;
  }
  // The K/V of the position is complete in the segment. No row runs above a gap.
  void Advance(size_t segment, int32_t position);
  int LeastWatermark() const;
  // Keeps the positions below `position`, under the new generation.
  void Rollback(uint32_t to_generation, int32_t position);
  void Close(ControlKind by, int retained_tokens);
  // For a closing sequence, returns whether all rows that outlive it have run here.
  bool RowsHaveRun() const { return watermark.back() >= kept; }
  // For a closing sequence, returns whether no job and no score needs it.
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
    // On stage 0 a sequence whose source has ended shares nothing. On other stages that is an error, because
    // stage 0 has decided.
    bool decides_sharing = false;
  };
  explicit SequenceTable(const Options& options);

  // Allocates all pages of the sequence, except the shared ones, which it takes from the source.
  Result<Sequence*> Open(SequenceSpec spec);
  Sequence* Find(uint64_t id);
  // Returns the sequence of a row that has arrived, and adds the row's token to it. Returns nullptr if the
  // row is stale.
  Result<Sequence*> Arrive(const StateRow& row);
  // Returns the sequence of a row that comes back from a job. A sequence outlives its rows in jobs.
  Sequence* FromJob(const StateRow& row);
  // Marks the sequence as failed, and all open sequences that share K/V with it. Calls visit(sequence) for
  // each that was not marked before.
  template <typename Visit>
  void Fail(Sequence* sequence, Visit visit) {
    if (std::exchange(sequence->failed, true)) return;
    visit(*sequence);
    for (const auto& [id, other] : sequences_) {
      if (other->spec->prefix_of == sequence->id()) Fail(other.get(), visit);
    }
  }
  // Frees the pages of the sequence except its retained prefix. The sequence does not exist afterwards.
  void Release(const Sequence& sequence);
  // Frees the retained prefix of the sequence. Returns false if there is none.
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
  std::map<uint64_t, Retained> retained_;  // retained prefixes of closed sequences
  PageAllocator pages_;
  uint64_t opened_ = 0;
};

}  // namespace exeunt::worker
