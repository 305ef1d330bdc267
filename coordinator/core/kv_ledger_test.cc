// What the coordinator knows of K/V memory, and what it orders to flush.
#include "coordinator/core/kv_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/testing/core_harness.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(KvLedger, RoundsUpToPages) {
  const KvLedger ledger(1, 10, 16);
  EXPECT_EQ(ledger.PagesFor(1), 1U);
  EXPECT_EQ(ledger.PagesFor(16), 1U);
  EXPECT_EQ(ledger.PagesFor(17), 2U);
  EXPECT_TRUE(ledger.Fits(160));
  EXPECT_FALSE(ledger.Fits(161));
}

TEST(KvLedger, KnowsNothingOfSequencesThatAreNotOpen) {
  KvLedger ledger(2, 10, 16);
  ledger.Reserve(5, 20);
  EXPECT_FALSE(ledger.Close(4, 0));
  from_worker::StageReport report;
  report.sequences.push_back({.sequence = 4});
  ledger.Report(TimePoint{}, 1, report);
  EXPECT_EQ(ledger.sequences().size(), 1U);
  EXPECT_FALSE(ledger.Close(5, 0));
  EXPECT_EQ(ledger.reserved_pages(), 2U);
  EXPECT_TRUE(ledger.Close(5, 1));
  EXPECT_EQ(ledger.reserved_pages(), 0U);
}

TEST(KvLedger, WhatStandsIsFlushed) {
  CoreConfig config;
  config.stages = 2;
  config.context_length = 1000;
  config.flush_after = std::chrono::seconds(2);
  CoreHarness h(config);
  h.BringUp();
  h.Arrive(10, 20);
  const auto report = [&](uint32_t watermark, uint32_t backlog) {
    h.From(0, 1, from_worker::StageReport{.sequences = {{2, watermark, backlog}}});
  };
  report(11, 3);
  const SequenceKv& kv = h.core.replicas()[0].ledger.sequences().at(2);
  EXPECT_EQ(kv.stages[1].watermark, 11U);
  EXPECT_EQ(kv.stages[1].backlog, 3U);
  EXPECT_EQ(kv.stages[0].backlog, 0U);
  h.Pass(std::chrono::milliseconds(1500));
  report(12, 4);  // it moves: no order
  h.Pass(std::chrono::milliseconds(1500));
  report(12, 5);
  EXPECT_THAT(h.Sent<to_worker::Flush>(0, 0), IsEmpty());
  h.Pass(std::chrono::milliseconds(500));
  for (uint32_t rank = 0; rank < 2; ++rank) {
    const auto flushes = h.Sent<to_worker::Flush>(0, rank);
    ASSERT_EQ(flushes.size(), 1U);
    EXPECT_THAT(flushes[0].sequences, ElementsAre(2U));
  }
  h.Pass(std::chrono::milliseconds(1500));
  EXPECT_EQ(h.Sent<to_worker::Flush>(0, 0).size(), 1U);
  h.Pass(std::chrono::milliseconds(500));
  EXPECT_EQ(h.Sent<to_worker::Flush>(0, 0).size(), 2U) << "again, while it stands";
  h.From(0, 1, from_worker::StageReport{});
  h.Pass(std::chrono::seconds(5));
  EXPECT_EQ(h.Sent<to_worker::Flush>(0, 0).size(), 2U) << "not listed: nothing waits";
}

}  // namespace
}  // namespace exeunt::coordinator
