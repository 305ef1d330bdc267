// The sequence table alone: pages, watermarks, and rows of sequences that are over.
#include "worker/core/sequence_table.h"

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

SequenceTable Table(bool decides_sharing = true) {
  return SequenceTable({.kv_pages = 8, .segments = 2, .decides_sharing = decides_sharing});
}

SequenceSpec Sharing(uint64_t id, uint64_t source) {
  SequenceSpec spec = Spec(id, 100);
  spec.prefix_of = source;
  spec.prefix_tokens = 64;
  return spec;
}

TEST(SequenceTableTest, TheWatermarkIsTheLeastOfItsSegmentsAndHasNoGaps) {
  SequenceTable table = Table();
  Sequence* s = *table.Open(Spec(1));
  s->Advance(0, 0);
  s->Advance(0, 1);
  s->Advance(1, 0);
  EXPECT_EQ(s->LeastWatermark(), 1);
  EXPECT_DEATH(s->Advance(1, 2), "mark == position");
}

TEST(SequenceTableTest, ARollbackTruncatesTokensAndWatermarksUnderTheNewGeneration) {
  SequenceTable table = Table();
  Sequence* s = *table.Open(Spec(1));
  for (int i = 0; i < 3; ++i) s->Advance(0, i);
  s->Advance(1, 0);
  s->Rollback(2, 2);
  EXPECT_EQ(s->tokens.size(), 2U);
  EXPECT_EQ(s->watermark, (std::vector<int>{2, 1}));
  EXPECT_FALSE(s->IsCurrent(RowAt(1, 2, kLive, 1)));
  EXPECT_TRUE(s->IsCurrent(RowAt(1, 2, kLive, 2)));
}

TEST(SequenceTableTest, ARowThatArrivesBringsItsTokenUnlessItIsStale) {
  SequenceTable table = Table();
  Sequence* s = *table.Open(Spec(1));
  EXPECT_EQ(*table.Arrive(RowAt(1, 2, kPrompt)), s);
  EXPECT_EQ(s->tokens.size(), 3U) << "a token of the prompt is there already";
  EXPECT_EQ(*table.Arrive(RowAt(1, 3, kLive)), s);
  EXPECT_EQ(s->tokens.size(), 4U);
  EXPECT_EQ(*table.Arrive(RowAt(9, 0, kPrompt)), nullptr);
  s->Rollback(1, 3);
  EXPECT_EQ(*table.Arrive(RowAt(1, 3, kLive, 0)), nullptr);
  const auto gap = table.Arrive(RowAt(1, 5, kLive, 1));
  ASSERT_FALSE(gap.has_value());
  EXPECT_EQ(gap.error().message, "sequence 1: row at position 5 after 3 tokens of 7 at most");
  s->Close(ControlKind::kClose, 0);
  EXPECT_EQ(*table.Arrive(RowAt(1, 3, kLive, 1)), nullptr);
}

TEST(SequenceTableTest, PagesAreSharedAndFreedWithTheirLastUser) {
  SequenceTable table = Table();
  Sequence* first = *table.Open(Spec(1, 100));
  EXPECT_EQ(table.pages().used(), 4);
  Sequence* second = *table.Open(Sharing(2, 1));
  EXPECT_EQ(table.pages().used(), 6);
  EXPECT_EQ(second->LeastWatermark(), 64);
  EXPECT_EQ(second->prompt_issued, 64);
  EXPECT_EQ(first->kept, 64);
  first->Close(ControlKind::kCancel, 0);
  EXPECT_FALSE(first->RowsHaveRun());
  for (int i = 0; i < 64; ++i) first->Advance(1, i);
  EXPECT_TRUE(first->RowsHaveRun());
  table.Release(*first);
  EXPECT_EQ(table.pages().used(), 4);
  table.Release(*second);
  EXPECT_EQ(table.pages().used(), 0);
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(table.opened(), 2U);
}

TEST(SequenceTableTest, ARetainedPrefixIsSharedUntilItIsEvicted) {
  SequenceTable table = Table();
  Sequence* first = *table.Open(Spec(1, 100));
  EXPECT_FALSE(table.Evict(1).has_value()) << "it is open";
  first->Close(ControlKind::kClose, 64);
  table.Release(*first);
  EXPECT_EQ(table.pages().used(), 2);
  EXPECT_EQ((*table.Open(Sharing(2, 1)))->spec->prefix_of, 1U);
  EXPECT_TRUE(*table.Evict(1));
  EXPECT_FALSE(*table.Evict(1));
  table.Release(*table.Find(2));
  EXPECT_EQ(table.pages().used(), 0);
}

TEST(SequenceTableTest, OnlyStageZeroMaySharePrefixesThatAreGone) {
  SequenceTable first = Table();
  EXPECT_EQ((*first.Open(Sharing(2, 1)))->spec->prefix_of, 0U);
  SequenceTable other = Table(false);
  EXPECT_FALSE(other.Open(Sharing(2, 1)).has_value());
}

TEST(SequenceTableTest, AScoreOutlivesAFinishAndNoCancel) {
  for (const ControlKind by : {ControlKind::kClose, ControlKind::kCancel}) {
    SequenceTable table = Table();
    SequenceSpec spec = Spec(1);
    spec.score_from = 1;
    Sequence* s = *table.Open(spec);
    const StateRow row = RowAt(1, 1, RowPlan::Scored(8));
    EXPECT_TRUE(s->Scores(row));
    EXPECT_FALSE(s->Scores(RowAt(1, 1, kPrompt)));
    EXPECT_FALSE(s->Outlives(row));
    s->scores_due = 1;
    s->Close(by, 0);
    EXPECT_EQ(s->Scores(row), by == ControlKind::kClose);
    EXPECT_EQ(s->Outlives(row), by == ControlKind::kClose);
    EXPECT_EQ(s->IsUnused(), by == ControlKind::kCancel);
    EXPECT_FALSE(s->Outlives(RowAt(1, 2, kLive)));
  }
}

TEST(SequenceTableTest, ASequenceOutlivesItsRowsInJobs) {
  SequenceTable table = Table();
  Sequence* s = *table.Open(Spec(1));
  s->rows_in_jobs = 1;
  s->Close(ControlKind::kCancel, 0);
  EXPECT_FALSE(s->IsUnused());
  EXPECT_EQ(table.FromJob(RowAt(1, 0, kPrompt)), s);
  EXPECT_TRUE(s->IsUnused());
}

}  // namespace
}  // namespace exeunt::worker
