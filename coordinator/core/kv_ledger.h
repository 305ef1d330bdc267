// KvLedger: what the coordinator knows of one pipeline's K/V memory: pages reserved by admission, and per
// sequence and stage how far the K/V is filled and what waits to be.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/clock.h"
#include "transport/control.pb.h"

namespace exeunt {

struct StageKv {
  uint32_t watermark = 0;   // positions whose K/V the stage holds
  uint32_t backlog = 0;     // fills that wait there
  TimePoint backlog_since;  // since when the backlog is not empty and the watermark stands still
};

struct SequenceKv {
  uint64_t pages = 0;
  uint32_t positions = 0;  // prompt + max_tokens
  std::vector<StageKv> stages;
  std::vector<bool> closed;  // by stage
  TimePoint flushed_at;      // when it was last told to flush
};

// Not thread-safe. Reservations of one epoch: made anew for each.
class KvLedger {
 public:
  KvLedger() = default;
  // Capacity is the smallest stage's; page_tokens > 0.
  KvLedger(uint32_t stages, uint64_t capacity_pages, uint32_t page_tokens)
      : stages_(stages), capacity_(capacity_pages), page_tokens_(page_tokens) {}

  uint64_t PagesFor(uint64_t positions) const;
  uint64_t capacity_pages() const { return capacity_; }
  uint64_t reserved_pages() const { return reserved_; }
  uint32_t page_tokens() const { return page_tokens_; }
  bool Fits(uint64_t positions) const { return PagesFor(positions) <= capacity_ - reserved_; }
  // CHECKs Fits and that the sequence is new.
  void Reserve(uint64_t sequence, uint32_t positions);
  // True when this was the last stage to close it: its pages are free again. Repeats and unknown sequences
  // are ignored.
  bool Close(uint64_t sequence, uint32_t rank);
  // Replaces what is known of a stage's sequences: one that is not listed has no backlog there.
  void Report(TimePoint now, uint32_t rank, const proto::StageReport& report);
  // Sequences whose backlog somewhere has stood for `age`, once per `age`.
  std::vector<uint64_t> TakeOldBacklog(TimePoint now, Duration age);
  const std::map<uint64_t, SequenceKv>& sequences() const { return sequences_; }

 private:
  uint32_t stages_ = 0;
  uint64_t capacity_ = 0;
  uint64_t reserved_ = 0;
  uint32_t page_tokens_ = 1;
  std::map<uint64_t, SequenceKv> sequences_;
};

}  // namespace exeunt
