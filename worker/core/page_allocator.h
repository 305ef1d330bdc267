// PageAllocator knows which K/V pages of a stage are free, and how many sequences use each of the others. The
// stage core owns it. Not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace exeunt::worker {

class PageAllocator {
 public:
  explicit PageAllocator(int n_pages);
  // Appends the first `count` free pages, in order of memory, to `pages`. Returns false and changes nothing
  // if fewer pages are free.
  bool Allocate(int count, std::vector<int32_t>* pages);
  // Appends pages that are in use to `pages`. A page is free when every user has freed it.
  void Share(std::span<const int32_t> shared, std::vector<int32_t>* pages);
  void Free(std::vector<int32_t>* pages);
  int used() const { return total_ - static_cast<int>(free_.size()); }
  int total() const { return total_; }

 private:
  int total_;
  std::vector<int32_t> free_;  // heap with the first page on top
  std::vector<int> users_;     // number of users by page
};

}  // namespace exeunt::worker
