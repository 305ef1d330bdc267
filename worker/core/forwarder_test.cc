// The forwarder alone: order, credits, fills that wait, and tokens that go back.
#include "worker/core/forwarder.h"

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

// The first of two stages of four layers.
class ForwarderTest : public testing::Test {
 protected:
  ForwarderTest()
      : config_(Config(0, 2)),
        sequences_({.kv_pages = 8, .segments = 2, .decides_sharing = true}),
        slots_(&actions_),
        forwarder_(&config_, &sequences_, &slots_, &counters_) {
    for (uint64_t id = 1; id <= 3; ++id) CHECK(sequences_.Open(Spec(id)).has_value());
  }
  void Push(uint64_t id, int position, const RowPlan& plan) {
    forwarder_.Push({RowAt(id, position, plan), slots_.Take(), kNow});
  }
  std::vector<SendFrame> Send(bool idle = true, TimePoint now = kNow) {
    actions_.clear();
    forwarder_.Send(policy_, now, idle, &actions_);
    return Of<SendFrame>(actions_);
  }
  // Of a frame's state rows: {sequence, position}.
  static std::vector<std::pair<uint64_t, int>> Rows(const SendFrame& send) {
    std::vector<std::pair<uint64_t, int>> rows;
    for (const StateRow& row : StateRows(send.frame.rows)) rows.push_back({row.sequence, row.position});
    return rows;
  }
  using RowList = std::vector<std::pair<uint64_t, int>>;

  static constexpr TimePoint kNow{std::chrono::seconds(1)};
  StageConfig config_;
  FillPolicy policy_{.batch_rows = 3, .delay = std::chrono::milliseconds(2)};
  std::vector<StageAction> actions_;
  StageCounters counters_;
  SequenceTable sequences_;
  SlotPool slots_;
  Forwarder forwarder_;
};

TEST_F(ForwarderTest, RowsGoInOrderWithTheirSlotsAndFreeThem) {
  forwarder_.Push({.kind = ControlKind::kOpen, .sequence = 1}, sequences_.Find(1)->spec);
  Push(1, 0, kPrompt);
  Push(1, 1, kLive);
  EXPECT_EQ(forwarder_.runnable_rows(), 2);
  EXPECT_EQ(slots_.used(), 2);
  const auto sent = Send();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].link, Link::kNext);
  EXPECT_EQ(sent[0].frame.epoch, 7U);
  EXPECT_EQ(KindOf(sent[0].frame.rows.at(0)), ControlKind::kOpen);
  EXPECT_EQ(sent[0].frame.opens.at(0).sequence, 1U);
  EXPECT_EQ(Rows(sent[0]), (RowList{{1, 0}, {1, 1}}));
  EXPECT_EQ(sent[0].slots, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(slots_.used(), 0);
  EXPECT_FALSE(forwarder_.idle()) << "a frame is on its way";
  forwarder_.CreditBack();
  EXPECT_TRUE(forwarder_.idle());
}

TEST_F(ForwarderTest, AFillWaitsAndRidesInFrontOfItsSequencesNextRow) {
  Push(1, 0, kFill);
  Push(2, 0, kFill);
  EXPECT_TRUE(Send().empty());
  EXPECT_FALSE(forwarder_.blocked());
  EXPECT_EQ(forwarder_.fills().rows, 2U);
  EXPECT_EQ(forwarder_.runnable_rows(), 0);
  Push(1, 1, kLive);
  const auto sent = Send();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(Rows(sent[0]), (RowList{{1, 0}, {1, 1}}));
  EXPECT_EQ(counters_.fills_sent, 1U);
  EXPECT_EQ(forwarder_.fills().rows, 1U);
}

TEST_F(ForwarderTest, FillsGoWhenManyWaitOrOneHasWaitedLongOnAnIdleStage) {
  const TimePoint later = kNow + std::chrono::milliseconds(2);
  Push(1, 0, kFill);
  EXPECT_TRUE(Send(/*idle=*/false, later).empty());
  EXPECT_EQ(Send(/*idle=*/true, later).size(), 1U);
  forwarder_.CreditBack();
  for (const int position : {1, 2, 3}) Push(1, position, kFill);
  EXPECT_EQ(Rows(Send(/*idle=*/false).at(0)).size(), 3U);
  Push(2, 0, kFill);
  forwarder_.Flush(2);
  EXPECT_EQ(Rows(Send(/*idle=*/false).at(0)), (RowList{{2, 0}}));
}

// A row that left within this stage is a fill for the next one. One that left in mode `exact` is not.
TEST_F(ForwarderTest, ThePlanSaysWhatIsAFillForTheNextStage) {
  Push(1, 0, RowPlan::Replayed(4, 8));
  Push(2, 0, RowPlan::Replayed(6, 8));
  Push(3, 0, RowPlan::Left(ExitMode::kExact, 2, 8));
  EXPECT_EQ(forwarder_.fills().rows, 1U);
  EXPECT_EQ(forwarder_.runnable_rows(), 2);
  EXPECT_EQ(Rows(Send().at(0)), (RowList{{2, 0}, {3, 0}}));
}

TEST_F(ForwarderTest, CreditsBoundTheFramesOnTheirWay) {
  config_.send_credits = 1;
  Push(1, 0, kPrompt);
  EXPECT_EQ(Send().size(), 1U);
  Push(1, 1, kPrompt);
  EXPECT_TRUE(Send().empty());
  EXPECT_TRUE(forwarder_.blocked());
  forwarder_.CreditBack();
  EXPECT_EQ(Send().size(), 1U);
  EXPECT_FALSE(forwarder_.blocked());
}

TEST_F(ForwarderTest, AFrameIsAMicroBatchUntilItsTokensAreBack) {
  Push(1, 0, kLive);
  Push(2, 0, kLive);
  Send();
  Push(3, 0, kLive);
  Send();
  EXPECT_EQ(forwarder_.micro_batches(), 2);
  EXPECT_EQ(counters_.micro_batches_max, 2);
  forwarder_.LeaveMicroBatch(sequences_.Find(1));
  forwarder_.LeaveMicroBatch(sequences_.Find(1));
  EXPECT_EQ(forwarder_.micro_batches(), 2);
  forwarder_.LeaveMicroBatch(sequences_.Find(2));
  EXPECT_EQ(forwarder_.micro_batches(), 1);
}

TEST_F(ForwarderTest, RowsOfASequenceThatIsOverAreRemovedAndItsControlRowsStay) {
  forwarder_.Push({.kind = ControlKind::kOpen, .sequence = 1}, sequences_.Find(1)->spec);
  Push(1, 0, kFill);
  Push(1, 1, kPrompt);
  Push(2, 0, kPrompt);
  int fills = 0;
  forwarder_.RemoveIf([&](const QueuedRow& row, bool is_fill) {
    fills += is_fill ? 1 : 0;
    return row.row.sequence == 1;
  });
  EXPECT_EQ(fills, 1);
  EXPECT_EQ(forwarder_.rows(), 2U);
  const auto sent = Send();
  EXPECT_EQ(KindOf(sent.at(0).frame.rows.at(0)), ControlKind::kOpen);
  EXPECT_EQ(Rows(sent[0]), (RowList{{2, 0}}));
}

TEST_F(ForwarderTest, TokensGoToStageZeroWithoutACredit) {
  config_.send_credits = 0;
  forwarder_.Return({.kind = ControlKind::kToken, .sequence = 1, .position = 3, .token = 5, .exit_layer = 2});
  EXPECT_FALSE(forwarder_.idle());
  const auto sent = Send();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].link, Link::kFirst);
  EXPECT_EQ(std::get<ControlRow>(sent[0].frame.rows.at(0)).exit_layer, 2);
  EXPECT_TRUE(forwarder_.idle());
  EXPECT_EQ(counters_.returns_sent, 1U);
}

TEST_F(ForwarderTest, TheLastStageHasNobodyToTell) {
  const StageConfig last = Config(1, 2);
  Forwarder forwarder(&last, &sequences_, &slots_, &counters_);
  forwarder.Push({.kind = ControlKind::kClose, .sequence = 1});
  EXPECT_TRUE(forwarder.idle());
}

}  // namespace
}  // namespace exeunt::worker
