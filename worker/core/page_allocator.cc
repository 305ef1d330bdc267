#include "worker/core/page_allocator.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace exeunt::worker {

PageAllocator::PageAllocator(int n_pages) : total_(n_pages), users_(static_cast<size_t>(n_pages), 0) {
  for (int page = 0; page < n_pages; ++page) free_.push_back(page);  // ascending, which is a heap
}

bool PageAllocator::Allocate(int count, std::vector<int32_t>* pages) {
  if (count > static_cast<int>(free_.size())) return false;
  for (int i = 0; i < count; ++i) {
    std::pop_heap(free_.begin(), free_.end(), std::greater<>());
    const int32_t page = free_.back();
    free_.pop_back();
    users_[static_cast<size_t>(page)] = 1;
    pages->push_back(page);
  }
  return true;
}

void PageAllocator::Share(std::span<const int32_t> shared, std::vector<int32_t>* pages) {
  for (const int32_t page : shared) {
    CHECK_GT(users_[static_cast<size_t>(page)]++, 0);
    pages->push_back(page);
  }
}

void PageAllocator::Free(std::vector<int32_t>* pages) {
  for (; !pages->empty(); pages->pop_back()) {
    int& users = users_[static_cast<size_t>(pages->back())];
    CHECK_GT(users, 0);
    if (--users > 0) continue;
    free_.push_back(pages->back());
    std::push_heap(free_.begin(), free_.end(), std::greater<>());
  }
}

}  // namespace exeunt::worker
