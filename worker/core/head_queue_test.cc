// The head queue alone: what waits for what, and the job that it makes.
#include "worker/core/head_queue.h"

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

class HeadQueueTest : public testing::Test {
 protected:
  HeadQueueTest() : sequences_({.kv_pages = 64, .segments = 3, .decides_sharing = true}) {
    for (uint64_t id = 1; id <= 4; ++id) CHECK(sequences_.Open(Spec(id)).has_value());
  }
  static QueuedRow Queued(uint64_t id, int position, const RowPlan& plan) {
    return {RowAt(id, position, plan), static_cast<int32_t>(id), {}};
  }
  static HeadEntry Entry(uint64_t id, size_t segment, const RowPlan& plan = kLive) {
    return {Queued(id, 1, plan), segment, static_cast<int>(segment) * 4 + 2};
  }
  SequenceTable sequences_;
  Batcher batcher_{Config(0, 1)};
  HeadQueue queue_{3};
  std::vector<HeadEntry> taken_;
  HeadJob job_;
};

TEST_F(HeadQueueTest, RowsWaitForDeeperRowsOfTheirStepAndForNoOthers) {
  EXPECT_FALSE(queue_.Due(batcher_));
  queue_.Push(Entry(1, 0));
  EXPECT_TRUE(queue_.Due(batcher_));
  batcher_.Push(0, Queued(2, 0, kLive));
  EXPECT_TRUE(queue_.Due(batcher_)) << "that row comes after it";
  batcher_.Push(1, Queued(3, 0, kFill));
  EXPECT_TRUE(queue_.Due(batcher_)) << "a fill needs no head";
  batcher_.Push(2, Queued(3, 0, kLive));
  EXPECT_FALSE(queue_.Due(batcher_));
  queue_.Push(Entry(2, 0));
  EXPECT_FALSE(queue_.Due(batcher_));
  queue_.Push(Entry(4, 0));
  EXPECT_TRUE(queue_.Due(batcher_)) << "three are enough";
}

TEST_F(HeadQueueTest, ARowThatTheHeadDecidesOnDoesNotWait) {
  batcher_.Push(1, Queued(3, 0, kLive));
  HeadEntry entry = Entry(1, 0);
  entry.decide = true;
  queue_.Push(entry);
  EXPECT_TRUE(queue_.Due(batcher_));
}

TEST_F(HeadQueueTest, FewerRowsAreEnoughWhereMoreMakeARowNoCheaper) {
  batcher_.Push(1, Queued(3, 0, kLive));
  queue_.Push(Entry(1, 0));
  EXPECT_FALSE(queue_.Due(batcher_));
  for (const int rows : {1, 2, 4}) queue_.Observe(rows, 1e-3 * rows);
  EXPECT_TRUE(queue_.Due(batcher_));
}

TEST_F(HeadQueueTest, AJobDrawsTokensAndScoresPrompts) {
  StateRow drawn = RowAt(1, 2, kLive);
  drawn.want_logits = true;
  queue_.Push({{drawn, 7, {}}, 0, 2});
  queue_.Push(Entry(2, 2, RowPlan::Scored(8)));
  queue_.Take(&sequences_, &taken_, &job_);
  EXPECT_EQ(queue_.size(), 0U);
  ASSERT_EQ(job_.rows.size(), 2U);
  EXPECT_EQ(job_.rows[0].slot, 7);
  EXPECT_EQ(job_.rows[0].layer, 2);
  EXPECT_EQ(job_.rows[0].position, 3U);
  EXPECT_TRUE(job_.rows[0].want_logits);
  EXPECT_EQ(job_.rows[0].scored, -1);
  EXPECT_EQ(job_.rows[1].scored, Spec(2).prompt[2]) << "the token behind position 1";
  EXPECT_FALSE(job_.rows[1].want_logits);
  EXPECT_EQ(sequences_.Find(1)->rows_in_jobs, 1);
  EXPECT_EQ(taken_.size(), 2U);
}

TEST_F(HeadQueueTest, TheHistoryOfADrawIsWhatStoodBeforeIt) {
  SequenceSpec spec = Spec(9);
  spec.sampling.repetition_penalty = 1.5F;
  Sequence* s = *sequences_.Open(spec);
  s->tokens.insert(s->tokens.end(), {20, 21, 22});
  queue_.Push({{RowAt(9, 4, kLive), 0, {}}, 2, 8});
  queue_.Take(&sequences_, &taken_, &job_);
  const TokenHistory& history = job_.rows.at(0).history;
  EXPECT_EQ(history.prompt.size(), 3U);
  EXPECT_EQ(std::vector<int32_t>(history.answer.begin(), history.answer.end()),
            (std::vector<int32_t>{20, 21}));
}

TEST_F(HeadQueueTest, RowsThatAreDroppedLeaveTheQueue) {
  queue_.Push(Entry(1, 0));
  queue_.Push(Entry(2, 0));
  queue_.RemoveIf([](const QueuedRow& row) { return row.row.sequence == 1; });
  queue_.Take(&sequences_, &taken_, &job_);
  ASSERT_EQ(taken_.size(), 1U);
  EXPECT_EQ(taken_[0].row.row.sequence, 2U);
}

}  // namespace
}  // namespace exeunt::worker
