// The row maker alone: which rows stage 0 makes, in which order, and with which plans.
#include "worker/core/row_maker.h"

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

class RowMakerTest : public testing::Test {
 protected:
  explicit RowMakerTest(int ranks = 2)
      : config_(Config(0, ranks)),
        sequences_({.kv_pages = 64, .segments = 2, .decides_sharing = true}),
        slots_(&actions_),
        batcher_(config_),
        maker_(&config_, &sequences_, &slots_, &batcher_) {
    config_.least_prefill_chunk_tokens = config_.prefill_chunk_tokens = 4;
  }
  Sequence* Open(const SequenceSpec& spec) {
    Sequence* s = *sequences_.Open(spec);
    maker_.AddPrompt(s->id());
    return s;
  }
  // The rows that a step makes, as {sequence, position}; their plans are in plans_.
  std::vector<std::pair<uint64_t, int>> Make() {
    maker_.Make({});
    std::vector<std::pair<uint64_t, int>> rows;
    plans_.clear();
    for (const QueuedRow& row : batcher_.segment(0).queue) {
      rows.push_back({row.row.sequence, row.row.position});
      plans_.push_back(row.row.plan);
    }
    batcher_.RemoveIf([](const QueuedRow&, bool) { return true; });
    return rows;
  }
  using RowList = std::vector<std::pair<uint64_t, int>>;

  StageConfig config_;
  std::vector<StageAction> actions_;
  SequenceTable sequences_;
  SlotPool slots_;
  Batcher batcher_;
  RowMaker maker_;
  std::vector<RowPlan> plans_;
};

TEST_F(RowMakerTest, APromptIsCutIntoChunksAndItsLastRowAnswers) {
  Open(Spec(1, 6));
  Open(Spec(2, 1));
  EXPECT_EQ(Make(), (RowList{{1, 0}, {1, 1}, {1, 2}, {1, 3}}));
  EXPECT_EQ(plans_, std::vector<RowPlan>(4, kPrompt));
  EXPECT_EQ(Make(), (RowList{{1, 4}, {1, 5}, {2, 0}}));
  EXPECT_EQ(plans_, (std::vector<RowPlan>{kPrompt, kLive, kLive}));
  EXPECT_TRUE(Make().empty());
}

TEST_F(RowMakerTest, RowsFromScoreFromOnScoreTheTokenBehindThem) {
  SequenceSpec spec = Spec(1, 4);
  spec.score_from = 2;
  Open(spec);
  Make();
  const RowPlan scored = RowPlan::Scored(8);
  EXPECT_EQ(plans_, (std::vector<RowPlan>{kPrompt, scored, scored, kLive}));
}

TEST_F(RowMakerTest, AStepTakesAShareOfTheDecodeRowsForEveryStageThatTokensUse) {
  for (uint64_t id = 1; id <= 4; ++id) {
    Sequence* s = Open(Spec(id, 1));
    s->tokens.push_back(5);
  }
  Make();
  for (uint64_t id = 1; id <= 4; ++id) maker_.AddReady(id);
  EXPECT_EQ(Make(), (RowList{{1, 1}, {2, 1}}));
  for (int i = 0; i < 1000; ++i) maker_.LearnExit(2);  // no token reaches the second stage
  maker_.AddReady(1);
  maker_.AddReady(2);
  EXPECT_EQ(Make(), (RowList{{3, 1}, {4, 1}, {1, 1}, {2, 1}}));
}

TEST_F(RowMakerTest, PromptsMayComeFirst) {
  config_.prefill_first = true;
  Sequence* s = Open(Spec(1, 1));
  Make();
  s->tokens.push_back(5);
  maker_.AddReady(1);
  Open(Spec(2, 5));
  EXPECT_EQ(Make(), (RowList{{2, 0}, {2, 1}, {2, 2}, {2, 3}}));
  EXPECT_EQ(Make(), (RowList{{2, 4}}));
  EXPECT_EQ(Make(), (RowList{{1, 1}}));
}

TEST_F(RowMakerTest, OfASequenceThatIsOverOnlyRowsThatOthersNeedAreMade) {
  Sequence* shared = Open(Spec(1, 6));
  Sequence* over = Open(Spec(2, 3));
  shared->kept = 5;
  for (Sequence* s : {shared, over}) {
    s->Close(ControlKind::kCancel, 0);
    maker_.Closed(*s);
  }
  EXPECT_EQ(Make(), (RowList{{1, 0}, {1, 1}, {1, 2}, {1, 3}}));
  EXPECT_EQ(Make(), (RowList{{1, 4}}));
  EXPECT_EQ(plans_, std::vector<RowPlan>{kPrompt});
  EXPECT_TRUE(Make().empty());
}

}  // namespace
}  // namespace exeunt::worker
