// KvCache is the paged K/V memory of one stage's layers, F16. All memory is mapped at once and touched page
// by page. Not thread-safe: the stage's thread owns it.
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

  // Views a layer. `layer` counts from the stage's first layer. `pages` maps position / kPageTokens to a page
  // and must outlive the view.
  KvLayerView Layer(int layer, const std::vector<int32_t>& pages) const;
  // Returns the bytes of one page over `n_layers` layers.
  static size_t PageBytes(const ModelConfig& config, int n_layers);

 private:
  KvCache() = default;
  uint16_t* base_ = nullptr;
  size_t bytes_ = 0;
  size_t page_elements_ = 0;
  size_t layer_elements_ = 0;
};

}  // namespace exeunt
