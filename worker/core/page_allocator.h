// PageAllocator: which K/V pages of a stage are free, and how many sequences use the others. Not thread-safe;
// the stage core owns it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt::worker {

class PageAllocator {
 public:
  explicit PageAllocator(int n_pages);
  // Appends the first `count` free pages, in order of memory, to `pages`; false, and nothing changed, where
  // fewer are free.
  bool Allocate(int count, std::vector<int32_t>* pages);
  // Appends pages that are in use to `pages`: they are free when every user has freed them.
  void Share(std::span<const int32_t> shared, std::vector<int32_t>* pages);
  void Free(std::vector<int32_t>* pages);
  int used() const { return total_ - static_cast<int>(free_.size()); }
  int total() const { return total_; }

 private:
  int total_;
  std::vector<int32_t> free_;  // a heap, the first page on top
  std::vector<int> users_;     // of each page
};

}  // namespace exeunt::worker
