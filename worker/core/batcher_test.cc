// The batcher alone: segments, the choice among them, and what a plan makes of a row in a job.
#include "worker/core/batcher.h"

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

// Layers 0 to 8 with exits after 2 and 6: segments 0, 1 and 2.
class BatcherTest : public testing::Test {
 protected:
  BatcherTest() : sequences_({.kv_pages = 64, .segments = 3, .decides_sharing = true}) {
    for (uint64_t id = 1; id <= 4; ++id) {
      SequenceSpec spec = Spec(id);
      spec.exit = {.mode = ExitMode::kPropagate, .measure = ExitMeasure::kState, .threshold = 0.5F};
      CHECK(sequences_.Open(spec).has_value());
    }
  }
  static StageConfig OneStage() {
    StageConfig config = Config(0, 1);
    config.max_batch_rows = 3;
    return config;
  }
  static QueuedRow Queued(uint64_t id, int position, const RowPlan& plan, TimePoint since = kNow) {
    return {RowAt(id, position, plan), static_cast<int32_t>(10 * id) + position, since};
  }
  static std::vector<uint64_t> Ids(const Batch& batch) {
    std::vector<uint64_t> ids;
    for (const QueuedRow& row : batch.rows) ids.push_back(row.row.sequence);
    return ids;
  }
  std::optional<size_t> Pick(TimePoint now = kNow) { return batcher_.Pick(fills_, now); }

  static constexpr TimePoint kNow{std::chrono::seconds(1)};
  FillPolicy fills_{.batch_rows = 2, .delay = std::chrono::milliseconds(2)};
  SequenceTable sequences_;
  Batcher batcher_{OneStage()};
  Batch batch_;
  SegmentJob job_;
};

TEST_F(BatcherTest, ExitsCutTheStagesLayersIntoSegments) {
  ASSERT_EQ(batcher_.segments(), 3U);
  EXPECT_EQ(batcher_.segment(1).layers.begin, 2);
  EXPECT_EQ(batcher_.segment(1).layers.end, 6);
  EXPECT_TRUE(batcher_.segment(1).exit);
  EXPECT_FALSE(batcher_.segment(2).exit);
  const Batcher second(Config(1, 2));  // layers 4 to 8
  ASSERT_EQ(second.segments(), 2U);
  EXPECT_EQ(second.segment(0).layers.begin, 4);
  EXPECT_EQ(second.segment(0).layers.end, 6);
}

TEST_F(BatcherTest, ABatchIsAPrefixOfItsQueueAndSaysWhatItsRowsNeed) {
  const RowPlan left = RowPlan::Left(ExitMode::kPropagate, 2, 8);
  batcher_.Push(1, Queued(1, 0, left));
  batcher_.Push(1, Queued(1, 1, kLive));
  batcher_.Push(1, Queued(2, 0, kPrompt));
  batcher_.Push(1, Queued(3, 0, kLive));
  EXPECT_EQ(batcher_.rows(), 4U);
  EXPECT_EQ(batcher_.fills().rows, 1U);
  ASSERT_EQ(Pick(), 1U);
  batcher_.Take(1, &sequences_, &batch_, &job_);
  EXPECT_EQ(Ids(batch_), (std::vector<uint64_t>{1, 1, 2})) << "three rows at most";
  EXPECT_EQ(batch_.segment, 1U);
  EXPECT_EQ(batcher_.rows(), 1U);
  EXPECT_EQ(sequences_.Find(1)->rows_in_jobs, 2);
  EXPECT_EQ(job_.layer_begin, 2);
  EXPECT_EQ(job_.layer_end, 6);
  EXPECT_FALSE(job_.embed);
  ASSERT_EQ(job_.fill.size(), 1U);
  EXPECT_EQ(job_.fill[0].slot, 10);
  ASSERT_EQ(job_.run.size(), 2U);
  EXPECT_EQ(job_.run[0].slot, 11);
  EXPECT_EQ(job_.run[0].pages, &sequences_.Find(1)->pages);
  // A live row is measured, and a prompt's row never is.
  EXPECT_EQ(job_.signals, (std::vector<ExitMeasure>{ExitMeasure::kState, ExitMeasure::kForced}));
}

// `exact` and `verify` are plans: rows that left run as prompts do, and are no rows of answers.
TEST_F(BatcherTest, RowsThatLeftInModeExactRunOnAndAreNotMeasured) {
  batcher_.Push(1, Queued(1, 0, RowPlan::Left(ExitMode::kExact, 2, 8)));
  batcher_.Push(1, Queued(2, 0, RowPlan::Replayed(2, 8)));
  batcher_.Push(1, Queued(3, 0, RowPlan::Replayed(6, 8)));
  EXPECT_TRUE(batcher_.HasRunnable(0));
  EXPECT_FALSE(batcher_.HasRunnable(2));
  batcher_.Take(1, &sequences_, &batch_, &job_);
  ASSERT_EQ(job_.run.size(), 2U);
  EXPECT_EQ(job_.run[1].slot, 30);
  ASSERT_EQ(job_.fill.size(), 1U);
  EXPECT_EQ(job_.fill[0].slot, 20);
  EXPECT_TRUE(job_.signals.empty());
}

TEST_F(BatcherTest, TheFullestSegmentRunsAndTheDeepestIsPassedOverAFewTimesOnly) {
  batcher_.Push(2, Queued(1, 0, kLive));
  batcher_.Push(0, Queued(2, 0, kLive));
  batcher_.Push(0, Queued(3, 0, kLive));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Pick(), 0U);
  EXPECT_EQ(Pick(), 2U);
  EXPECT_EQ(Pick(), 0U);
}

TEST_F(BatcherTest, OfEqualsTheDeepestRunsAndPromptsComeBehindAnswers) {
  batcher_.Push(0, Queued(1, 0, kLive));
  batcher_.Push(1, Queued(2, 0, kLive));
  EXPECT_EQ(Pick(), 1U);
  for (int i = 0; i < 3; ++i) batcher_.Push(0, Queued(3, i, kPrompt));
  EXPECT_EQ(Pick(), 1U) << "prompts do not count";
}

TEST_F(BatcherTest, FillsWaitForOthersOrForTimeAndForNoneWhereTheyAreEager) {
  batcher_.Push(1, Queued(1, 0, kFill));
  EXPECT_EQ(Pick(), std::nullopt);
  EXPECT_EQ(Pick(kNow + std::chrono::milliseconds(2)), 1U);
  fills_.flush = true;
  EXPECT_EQ(Pick(), 1U);
  fills_.flush = false;
  fills_.eager = true;
  EXPECT_EQ(Pick(), 1U);
  fills_.eager = false;
  batcher_.Push(1, Queued(2, 0, kFill));
  EXPECT_EQ(Pick(), 1U) << "two are enough";
  batcher_.RemoveIf([](const QueuedRow& row, bool is_fill) { return is_fill && row.row.sequence == 2; });
  EXPECT_EQ(batcher_.rows(), 1U);
}

TEST_F(BatcherTest, APlanThatCannotBeCarriedOutHereIsRefusedByName) {
  const auto refuse = [&](const RowPlan& plan, const char* why) {
    const Status status = batcher_.Check(plan);
    ASSERT_FALSE(status.has_value()) << why;
    EXPECT_EQ(status.error().message, why);
  };
  refuse({4, 8, HeadUse::kNone, false}, "row plan run_to 4 is inside layers 2 to 6, which run together");
  refuse({2, 6, HeadUse::kNone, false}, "rows that end after layer 6 of 8 are not built yet");
  refuse(RowPlan::Left(ExitMode::kVerify, 2, 8), "rows that compare a draft are not built yet");
  for (const RowPlan& plan : {kPrompt, kLive, kFill, RowPlan::Scored(8), RowPlan::Replayed(6, 8)}) {
    EXPECT_TRUE(batcher_.Check(plan).has_value());
  }
  // The exit after layer 2 is not in the second of two stages: its rows are fills there.
  EXPECT_TRUE(Batcher(Config(1, 2)).Check(kFill).has_value());
}

}  // namespace
}  // namespace exeunt::worker
