#include "worker/core/page_allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace exeunt::worker {
namespace {

TEST(PageAllocatorTest, HandsOutEveryPageOnceAndTakesThemBack) {
  PageAllocator pages(10);
  std::vector<int32_t> a;
  std::vector<int32_t> b;
  EXPECT_TRUE(pages.Allocate(7, &a));
  EXPECT_FALSE(pages.Allocate(4, &b));
  EXPECT_TRUE(b.empty());
  EXPECT_TRUE(pages.Allocate(3, &b));
  std::set<int32_t> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all.size(), 10U);
  EXPECT_EQ(pages.used(), 10);
  pages.Free(&a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(pages.used(), 3);
}

TEST(PageAllocatorTest, ASharedPageIsFreeWhenItsLastUserFreesIt) {
  PageAllocator pages(4);
  std::vector<int32_t> source;
  ASSERT_TRUE(pages.Allocate(3, &source));
  std::vector<int32_t> first;
  std::vector<int32_t> second;
  pages.Share({source.data(), 2}, &first);
  pages.Share({first.data(), 1}, &second);  // of one that shares itself
  EXPECT_EQ(first, (std::vector<int32_t>{source[0], source[1]}));
  EXPECT_EQ(pages.used(), 3);
  const int32_t once = source[0];
  pages.Free(&source);
  EXPECT_EQ(pages.used(), 2);
  pages.Free(&first);
  EXPECT_EQ(pages.used(), 1);
  std::vector<int32_t> rest;
  ASSERT_TRUE(pages.Allocate(3, &rest));
  EXPECT_FALSE(pages.Allocate(1, &rest));
  EXPECT_EQ(std::count(rest.begin(), rest.end(), once), 0);  // it is in use
  pages.Free(&second);
  pages.Free(&rest);
  EXPECT_EQ(pages.used(), 0);
}

TEST(PageAllocatorDeathTest, FreePagesCannotBeShared) {
  PageAllocator pages(2);
  std::vector<int32_t> a;
  ASSERT_TRUE(pages.Allocate(2, &a));
  const std::vector<int32_t> copy = a;
  pages.Free(&a);
  EXPECT_DEATH(pages.Share(copy, &a), "users_");
}

TEST(PageAllocatorDeathTest, FreeingPagesTwiceIsSeen) {
  PageAllocator pages(2);
  std::vector<int32_t> a;
  ASSERT_TRUE(pages.Allocate(2, &a));
  std::vector<int32_t> copy = a;
  pages.Free(&a);
  EXPECT_DEATH(pages.Free(&copy), "users");
}

}  // namespace
}  // namespace exeunt::worker
