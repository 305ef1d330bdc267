// KvCache: the paged K/V memory of one stage's layers, F16. Memory is mapped at once and touched page by
// page. PageAllocator: which pages are free, and how many sequences use the others. Neither is thread-safe;
// owned by the stage's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "kernels/cpu/ops.h"
#include "model/config.h"

namespace exeunt {

class KvCache {
 public:
  static Result<KvCache> Create(const ModelConfig& config, int n_layers, int n_pages);
  KvCache(KvCache&& other) noexcept;
  KvCache& operator=(KvCache&&) = delete;
  ~KvCache();

  // `layer` counts from the stage's first; `pages` maps position / kPageTokens to page and must outlive the
  // view.
  cpu::KvLayerView Layer(int layer, const std::vector<int32_t>& pages) const;
  // Bytes of one page over `n_layers` layers.
  static size_t PageBytes(const ModelConfig& config, int n_layers);

 private:
  KvCache() = default;
  uint16_t* base_ = nullptr;
  size_t bytes_ = 0;
  size_t page_elements_ = 0;
  size_t layer_elements_ = 0;
};

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

}  // namespace exeunt
