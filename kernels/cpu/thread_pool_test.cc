#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

namespace exeunt::cpu {
namespace {

TEST(ThreadPoolTest, EveryTaskRunsOnceInEveryJob) {
  for (int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    for (int job = 0; job < 500; ++job) {
      const int n = job % 17;
      std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
      pool.Run(n, [&](int i) { runs[static_cast<size_t>(i)].fetch_add(1); });
      for (auto& r : runs) ASSERT_EQ(r.load(), 1);
    }
  }
}

TEST(ThreadPoolTest, RangesCoverEverythingWithoutOverlap) {
  ThreadPool pool(3);
  for (int n : {0, 1, 5, 64, 1000}) {
    std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
    pool.RunRanges(n, 4, [&](int begin, int end) {
      for (int i = begin; i < end; ++i) hits[static_cast<size_t>(i)].fetch_add(1);
    });
    for (auto& h : hits) ASSERT_EQ(h.load(), 1);
  }
}

}  // namespace
}  // namespace exeunt::cpu
