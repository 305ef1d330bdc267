#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/fifo.h"
#include "base/rng.h"

namespace exeunt {
namespace {

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("{} is odd", n);
  return n / 2;
}

Result<int> Quarter(int n) {
  ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

Status NeedsEven(int n) {
  RETURN_IF_ERROR(Half(n));
  return OkStatus();
}

TEST(ResultTest, ValuesAndErrorsPassThroughTheMacros) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_EQ(Quarter(6).error().message, "3 is odd");
  EXPECT_EQ(Quarter(6).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(NeedsEven(2).has_value());
  EXPECT_FALSE(NeedsEven(3).has_value());
  EXPECT_EQ(Annotate(Half(3).error(), "input").message, "input: 3 is odd");
}

TEST(FifoTest, KeepsOrderThroughTakingRemovingAndReuse) {
  Fifo<int> queue;
  std::deque<int> want;
  for (int i = 0; i < 1000; ++i) {
    queue.push_back(i);
    want.push_back(i);
    if (i % 3 != 0) {
      EXPECT_EQ(queue.Take(), want.front());
      want.pop_front();
    }
    if (i % 50 == 0) {
      queue.RemoveIf([](int x) { return x % 7 == 0; });
      std::erase_if(want, [](int x) { return x % 7 == 0; });
    }
    ASSERT_EQ(queue.size(), want.size());
    ASSERT_TRUE(std::equal(queue.begin(), queue.end(), want.begin()));
  }
  ASSERT_GT(queue.size(), 100U);
  const int* memory = &queue.front();
  while (!queue.empty()) queue.Take();
  queue.push_back(1);
  EXPECT_LE(&queue.front(), memory);  // taken places are used again
}

TEST(CheckDeathTest, PrintsConditionAndValues) {
  EXPECT_DEATH(CHECK_EQ(1 + 1, 3), "1 \\+ 1 == 3.*2 against 3");
  EXPECT_DEATH(CHECK_MSG(false, "row {}", 7), "row 7");
}

// Known answers of Random123's kat_vectors for philox4x32-10.
TEST(RngTest, PhiloxKnownAnswers) {
  EXPECT_EQ(Philox(0, {0, 0, 0, 0}), (Philox4{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(Philox(0xffffffffffffffff, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
            (Philox4{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Philox4{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RngTest, DrawsDependOnEveryPartOfTheKey) {
  std::set<float> seen;
  for (uint32_t i = 0; i < 100; ++i) {
    seen.insert(UniformAt(i, 0, 0, RngPurpose::kSample));
    seen.insert(UniformAt(1000, i, 1, RngPurpose::kSample));
    seen.insert(UniformAt(1000, 1000, i, RngPurpose::kSample));
    seen.insert(UniformAt(1000, 1000, i, RngPurpose::kForcedExit));
  }
  EXPECT_GE(seen.size(), 399U);
  EXPECT_GE(*seen.begin(), 0.0F);
  EXPECT_LT(*seen.rbegin(), 1.0F);
}

}  // namespace
}  // namespace exeunt
