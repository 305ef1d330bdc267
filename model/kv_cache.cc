#include "model/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace exeunt {

Result<KvCache> KvCache::Create(const ModelConfig& config, int n_layers, int n_pages) {
  KvCache cache;
  cache.page_elements_ = cpu::KvPageElements(config.n_kv_heads, config.head_dim);
  cache.layer_elements_ = 2 * cache.page_elements_ * static_cast<size_t>(n_pages);
  cache.bytes_ = cache.layer_elements_ * static_cast<size_t>(n_layers) * sizeof(uint16_t);
  void* memory =
      mmap(nullptr, cache.bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return ResourceExhausted("KV cache of {} bytes ({} pages): {}", cache.bytes_, n_pages,
                             std::strerror(errno));
  }
  madvise(memory, cache.bytes_, MADV_HUGEPAGE);  // advice: long contexts read a tenth faster
  cache.base_ = static_cast<uint16_t*>(memory);
  return cache;
}

KvCache::KvCache(KvCache&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      bytes_(other.bytes_),
      page_elements_(other.page_elements_),
      layer_elements_(other.layer_elements_) {}

KvCache::~KvCache() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

cpu::KvLayerView KvCache::Layer(int layer, const std::vector<int32_t>& pages) const {
  uint16_t* k = base_ + static_cast<size_t>(layer) * layer_elements_;
  return {k, k + layer_elements_ / 2, page_elements_, pages.data()};
}

size_t KvCache::PageBytes(const ModelConfig& config, int n_layers) {
  return 2 * cpu::KvPageElements(config.n_kv_heads, config.head_dim) * sizeof(uint16_t) *
         static_cast<size_t>(n_layers);
}

PageAllocator::PageAllocator(int n_pages) : total_(n_pages), users_(static_cast<size_t>(n_pages), 0) {
  for (int page = 0; page < n_pages; ++page) free_.push_back(page);  // in order: a heap
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

}  // namespace exeunt
