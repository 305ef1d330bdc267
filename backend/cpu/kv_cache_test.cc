#include "backend/cpu/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace exeunt {
namespace {

TEST(KvCacheTest, LayersAndPagesDoNotOverlap) {
  ModelConfig config;
  config.n_kv_heads = 2;
  config.head_dim = 16;
  auto cache = KvCache::Create(config, 3, 4);
  ASSERT_TRUE(cache.has_value());
  const std::vector<int32_t> pages = {0, 1, 2, 3};
  const size_t page = KvPageElements(2, 16);  // of K, and of V
  EXPECT_EQ(KvCache::PageBytes(config, 3), 2 * page * 2 * 3);
  std::set<uint16_t*> starts;
  for (int layer = 0; layer < 3; ++layer) {
    const auto view = cache->Layer(layer, pages);
    EXPECT_EQ(view.page_stride, page);
    for (size_t p = 0; p < 4; ++p) {
      for (uint16_t* start : {view.k + p * view.page_stride, view.v + p * view.page_stride}) {
        starts.insert(start);
        std::fill(start, start + page, static_cast<uint16_t>(layer * 4 + static_cast<int>(p)));
      }
    }
  }
  EXPECT_EQ(starts.size(), 24U);
  EXPECT_EQ(*(*cache).Layer(0, pages).k, 0);  // the last write did not reach the first page
}

}  // namespace
}  // namespace exeunt
