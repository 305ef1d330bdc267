// The memory layout of the K/V of a layer. All backends use it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace exeunt {

// The K/V of one sequence in one layer, F16. A page holds kPageTokens positions in two blocks: K
// [n_kv_heads][head_dim][kPageTokens] and V [n_kv_heads][kPageTokens][head_dim]. A kernel reads all K of a
// chunk of pages and then all V of it, because only long sequential reads reach the memory's full speed.
inline constexpr int kPageTokens = 32;

struct KvLayerView {
  uint16_t* k = nullptr;           // start of K; page p starts at k + p * page_stride
  uint16_t* v = nullptr;           // start of V; page p starts at v + p * page_stride
  size_t page_stride = 0;          // distance of two pages, in elements
  const int32_t* pages = nullptr;  // [ceil(positions / kPageTokens)]: page of each position / kPageTokens
};

// Returns the elements of K in a page. V has as many.
constexpr size_t KvPageElements(int n_kv_heads, int head_dim) {
  return static_cast<size_t>(n_kv_heads) * kPageTokens * static_cast<size_t>(head_dim);
}

}  // namespace exeunt
