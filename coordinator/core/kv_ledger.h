// KvLedger: what the coordinator knows of one pipeline's K/V memory: which pages admission has reserved,
// which are shared, which are left behind by prompts that are over; and per sequence and stage how far the
// K/V is filled and what waits to be.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/clock.h"
#include "coordinator/core/types.h"

namespace exeunt::coordinator {

struct StageKv {
  uint32_t watermark = 0;   // positions whose K/V the stage holds
  uint32_t backlog = 0;     // fills that wait there
  TimePoint backlog_since;  // since when the backlog is not empty and the watermark stands still
};

struct SequenceKv {
  std::vector<uint32_t> pages;  // the ledger's names for them: the shared ones first
  uint64_t retained = 0;        // of them, first ones that stay when it is over
  uint32_t positions = 0;       // prompt + max_tokens
  std::vector<StageKv> stages;
  std::vector<bool> closed;  // by stage
  TimePoint flushed_at;      // when it was last told to flush
};

// Not thread-safe. Reservations of one epoch: made anew for each.
class KvLedger {
 public:
  KvLedger() = default;
  // Capacity is the smallest stage's; page_tokens > 0.
  KvLedger(uint32_t stages, uint64_t capacity_pages, uint32_t page_tokens);

  uint64_t PagesFor(uint64_t positions) const;
  uint64_t capacity_pages() const { return users_.size(); }
  // Of sequences that are open.
  uint64_t reserved_pages() const { return reserved_; }
  // Left behind, and used by no open sequence.
  uint64_t cached_pages() const { return users_.size() - free_.size() - reserved_; }
  uint32_t page_tokens() const { return page_tokens_; }
  // Whether it fits now; whether it would, were everything evicted that is left behind, but for the whole of
  // what it shares with.
  bool Fits(uint64_t positions, uint32_t shared_tokens = 0) const;
  bool FitsAfterEviction(uint64_t positions, const SharedPrefix& shared) const;
  // CHECKs Fits and that the sequence is new.
  void Reserve(uint64_t sequence, uint32_t positions, const SharedPrefix& shared = {});
  // So many tokens of the prompt, whole pages, stay when it is over. Unknown sequences are ignored.
  void Retain(uint64_t sequence, uint32_t tokens);
  // True when this was the last stage to close it: its pages are free again, but for those to retain. Repeats
  // and unknown sequences are ignored.
  bool Close(uint64_t sequence, uint32_t rank);
  // Frees what a sequence that is over has left behind.
  void Evict(uint64_t sequence);
  // Replaces what is known of a stage's sequences: one that is not listed has no backlog there.
  void Report(TimePoint now, uint32_t rank, const from_worker::StageReport& report);
  // Sequences whose backlog somewhere has stood for `age`, once per `age`.
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
  std::vector<Users> users_;  // of each page
  std::vector<uint32_t> free_;
  std::map<uint64_t, SequenceKv> sequences_;
  std::map<uint64_t, std::vector<uint32_t>> retained_;  // pages of sequences that are over
};

}  // namespace exeunt::coordinator
