// SlotPool knows which of the executor's slots for hidden states are free. It grows with its use and tells
// the executor so by an action. The stage owns it. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "worker/core/stage_io.h"

namespace exeunt::worker {

class SlotPool {
 public:
  // GrowSlots is appended to `actions`, which must outlive the pool.
  explicit SlotPool(std::vector<StageAction>* actions) : actions_(actions) {}

  int32_t Take() {
    if (free_.empty()) Grow();
    const int32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  // Frees the row's slot and sets it to -1. A row without a slot is unchanged.
  void Free(int32_t* slot) {
    if (*slot >= 0) free_.push_back(*slot);
    *slot = -1;
  }
  // Frees the slot of a row that is itself dropped.
  void Drop(int32_t slot) { Free(&slot); }
  int used() const { return count_ - static_cast<int>(free_.size()); }

 private:
  void Grow() {
    constexpr int kGrowth = 256;
    for (int s = count_ + kGrowth - 1; s >= count_; --s) free_.push_back(s);
    count_ += kGrowth;
    actions_->push_back(GrowSlots{count_});
  }

  std::vector<StageAction>* actions_;
  std::vector<int32_t> free_;
  int count_ = 0;
};

}  // namespace exeunt::worker
