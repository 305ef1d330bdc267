// How the K/V of a layer lie in memory. Every backend stores them this way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace exeunt {

// K/V of one sequence in one layer, F16. A page holds kPageTokens positions, in two places: K
// [n_kv_heads][head_dim][kPageTokens] and V [n_kv_heads][kPageTokens][head_dim]. A reader goes through all K
// of a chunk of pages, then through its V: memory is fast in long runs only.
inline constexpr int kPageTokens = 32;

struct KvLayerView {
  uint16_t* k = nullptr;           // page p starts at k + p * page_stride
  uint16_t* v = nullptr;           // and at v + p * page_stride
  size_t page_stride = 0;          // elements
  const int32_t* pages = nullptr;  // [ceil(positions / kPageTokens)]: position / kPageTokens to page
};

// Of K, and of V.
constexpr size_t KvPageElements(int n_kv_heads, int head_dim) {
  return static_cast<size_t>(n_kv_heads) * kPageTokens * static_cast<size_t>(head_dim);
}

}  // namespace exeunt
