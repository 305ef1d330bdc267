#include "kernels/block_codes.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace exeunt {
namespace {

// No bit of a block is without meaning, and none is read twice: any bytes come back.
TEST(BlockCodes, WhatWasReadIsWrittenBackBitForBit) {
  std::mt19937 rng(5);
  for (DType type : kAllDTypes) {
    if (!IsQuantised(type)) continue;
    std::set<int> codes;
    for (int run = 0; run < 50; ++run) {
      std::vector<std::byte> block(static_cast<size_t>(Info(type).block_bytes));
      for (std::byte& b : block) b = static_cast<std::byte>(rng() & 255U);
      const BlockCodes read = ReadBlock(type, block.data());
      codes.insert(read.codes, read.codes + Info(type).block_elements);
      std::vector<std::byte> written(block.size() + 1, std::byte{0x5A});
      WriteBlock(type, read, written.data());
      EXPECT_EQ(written.back(), std::byte{0x5A}) << Info(type).name;
      written.pop_back();
      ASSERT_EQ(written, block) << Info(type).name;
    }
    EXPECT_GT(codes.size(), (size_t{1} << Codes(type).bits) * 9 / 10) << Info(type).name;
  }
}

}  // namespace
}  // namespace exeunt
