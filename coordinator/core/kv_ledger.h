// KvLedger is the coordinator's record of one pipeline's K/V memory. It knows which pages are reserved by
// admission, which are shared, and which belong to retained prefixes. For each sequence and stage it knows
// how far the K/V is filled and how many fills wait.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/clock.h"
#include "coordinator/core/types.h"

namespace exeunt::coordinator {

struct StageKv {
  uint32_t watermark = 0;   // positions whose K/V the stage holds
  uint32_t backlog = 0;     // fills that wait in the stage
  TimePoint backlog_since;  // time since when the backlog is not empty and the watermark stands still
};

struct SequenceKv {
  std::vector<uint32_t> pages;  // the ledger's names of the pages, the shared ones first
  uint64_t retained = 0;        // number of first pages that are retained
  uint32_t positions = 0;       // prompt + max_tokens
  std::vector<StageKv> stages;
  std::vector<bool> closed;  // by stage
  TimePoint flushed_at;      // time of the last flush
};

// Not thread-safe. It is made anew for each epoch.
class KvLedger {
 public:
  KvLedger() = default;
  // Capacity is that of the smallest stage. page_tokens > 0.
  KvLedger(uint32_t stages, uint64_t capacity_pages, uint32_t page_tokens);

  uint64_t PagesFor(uint64_t positions) const;
  uint64_t capacity_pages() const { return users_.size(); }
  // The pages of open sequences.
  uint64_t reserved_pages() const { return reserved_; }
  // The pages of retained prefixes that no open sequence uses.
  uint64_t cached_pages() const { return users_.size() - free_.size() - reserved_; }
  uint32_t page_tokens() const { return page_tokens_; }
  // Fits returns whether the positions fit at present. FitsAfterEviction returns whether they would fit if
  // all retained prefixes except the shared one were evicted.
  bool Fits(uint64_t positions, uint32_t shared_tokens = 0) const;
  bool FitsAfterEviction(uint64_t positions, const SharedPrefix& shared) const;
  // CHECKs Fits and that the sequence is new.
  void Reserve(uint64_t sequence, uint32_t positions, const SharedPrefix& shared = {});
  // Retains the first `tokens` tokens of the prompt, in whole pages, when the sequence is over. Unknown
  // sequences are ignored.
  void Retain(uint64_t sequence, uint32_t tokens);
  // Returns true if this was the last stage to close the sequence. Its pages are then free, except the
  // retained ones. Repeats and unknown sequences are ignored.
  bool Close(uint64_t sequence, uint32_t rank);
  // Frees the retained prefix of a sequence that is over.
  void Evict(uint64_t sequence);
  // Replaces the record of a stage's sequences. A sequence that is not listed has no backlog there.
  void Report(TimePoint now, uint32_t rank, const from_worker::StageReport& report);
  // Returns the sequences whose backlog in some stage has stood for `age`. Each is returned once per `age`.
  std::vector<uint64_t> TakeOldBacklog(TimePoint now, Duration age);
  const std::map<uint64_t, SequenceKv>& sequences() const { return sequences_; }

 private:
  struct Users {
    uint32_t open = 0;
    uint32_t retained = 0;
  };
  const std::vector<uint32_t>& PagesOf(uint64_t sequence) const;
  void Drop(uint32_t page, uint32_t Users::*kind);

  uint32_t stages_ = 0;
  uint64_t reserved_ = 0;
  uint32_t page_tokens_ = 1;
  std::vector<Users> users_;  // by page
  std::vector<uint32_t> free_;
  std::map<uint64_t, SequenceKv> sequences_;
  std::map<uint64_t, std::vector<uint32_t>> retained_;  // pages of sequences that are over
};

}  // namespace exeunt::coordinator
