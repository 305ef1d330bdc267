// The stage core alone: prompts that share a beginning, and what sequences leave behind.
#include <numeric>

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

class PrefixTest : public StageTest {
 protected:
  static SequenceSpec Sharing(uint64_t id, uint64_t source, int prompt = 100) {
    SequenceSpec spec = Spec(id, prompt);
    spec.prefix_of = source;
    spec.prefix_tokens = 64;
    return spec;
  }
  static bool Ends(const Row& row) {
    return KindOf(row) == ControlKind::kClose || KindOf(row) == ControlKind::kCancel;
  }
  static std::vector<int32_t> PositionsSent(const std::vector<StageAction>& actions, uint64_t sequence) {
    std::vector<int32_t> positions;  // of its prompt rows; -1: its end
    for (const SendFrame& send : Of<SendFrame>(actions)) {
      for (const Row& row : send.frame.rows) {
        const auto* state = std::get_if<StateRow>(&row);
        if (state != nullptr && state->sequence == sequence && state->plan == kPrompt) {
          positions.push_back(state->position);
        }
        if (state == nullptr && std::get<ControlRow>(row).sequence == sequence && Ends(row)) {
          positions.push_back(-1);
        }
      }
    }
    return positions;
  }
};

TEST_F(PrefixTest, SharedPagesAreTakenOnceAndSharedRowsRunOnce) {
  Stage stage(Config(0, 1), &policy_);
  const auto opened = Step(&stage, {AdmitSequences{{Spec(1, 100), Sharing(2, 1), Sharing(3, 2)}}});
  EXPECT_EQ(stage.pages_used(), 4 + 2 + 2);
  const auto all = Finish(&stage, opened);
  EXPECT_EQ(stage.counters().prompt_rows, 3 * (99U + 35 + 35));  // of three segments
  EXPECT_EQ(Of<TokenOut>(all).size(), 12U);
  EXPECT_EQ(stage.pages_used(), 0);
  EXPECT_TRUE(stage.Idle());
}

TEST_F(PrefixTest, RowsThatAreSharedOutliveACancelAndItsNewsFollowsThem) {
  StageConfig config = Config(0, 2);
  config.least_prefill_chunk_tokens = config.prefill_chunk_tokens = 40;
  config.send_credits = 1 << 20;
  Stage stage(config, &policy_);
  auto actions = Step(&stage, {AdmitSequences{{Spec(1, 100), Sharing(2, 1)}}});  // 40 rows in a job
  const auto cancelled = Step(&stage, {CancelSequences{{1}}});
  EXPECT_EQ(Of<SequenceFinishedOut>(cancelled).size(), 1U);
  EXPECT_EQ(stage.open_sequences(), 2);
  actions = Finish(&stage, std::move(actions));
  std::vector<int32_t> want(64);
  std::iota(want.begin(), want.end(), 0);
  want.push_back(-1);
  EXPECT_EQ(PositionsSent(actions, 1), want);
  EXPECT_EQ(Of<SequenceClosedOut>(actions).size(), 1U);
  EXPECT_EQ(stage.open_sequences(), 1);
  EXPECT_EQ(stage.pages_used(), 4);  // all of the second's
  Step(&stage, {CancelSequences{{2}}});
  EXPECT_EQ(stage.pages_used(), 0);
  EXPECT_EQ(stage.slots_used(), 0);
}

TEST_F(PrefixTest, ASourceThatIsOverIsNotSharedAndTheOtherStagesAreToldSo) {
  Stage stage(Config(0, 2), &policy_);
  const auto frames = Of<SendFrame>(Step(&stage, {AdmitSequences{{Sharing(2, 1)}}}));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].frame.opens.at(0).prefix_of, 0U);
  EXPECT_EQ(frames[0].frame.opens.at(0).prefix_tokens, 0);
  EXPECT_EQ(stage.pages_used(), 4);
}

TEST_F(PrefixTest, AnotherPromptOrAnUnknownSourceDownstreamFailsByName) {
  const auto failure = [&](const StageConfig& config, StageEvent event) {
    Stage stage(config, &policy_);
    return Of<StageFailed>(Step(&stage, {std::move(event)})).at(0).error.message;
  };
  SequenceSpec other = Spec(1, 100);
  other.prompt[63] = 1;
  EXPECT_EQ(failure(Config(0, 1), AdmitSequences{{other, Sharing(2, 1)}}),
            "sequence 2 shares 64 tokens with 1, whose prompt of 100 does not begin with them");
  EXPECT_EQ(failure(Config(0, 1), AdmitSequences{{Spec(1, 64), Sharing(2, 1)}}),
            "sequence 2 shares 64 tokens with 1, whose prompt of 64 does not begin with them");
  EXPECT_EQ(failure(Config(1, 2), FrameArrived{{7, 1, {ControlRow{ControlKind::kOpen, 2}}, {Sharing(2, 1)}}}),
            "sequence 2 shares a prefix with 1, which is not open");
}

SequenceSpec Retaining(SequenceSpec spec, int tokens = 64) {
  spec.retain_tokens = tokens;
  return spec;
}

TEST_F(PrefixTest, WhatASequenceLeavesBehindIsSharedUntilItIsEvicted) {
  Stage stage(Config(0, 1), &policy_);
  const auto first = Finish(&stage, Step(&stage, {AdmitSequences{{Retaining(Spec(1, 100))}}}));
  EXPECT_TRUE(Of<SequenceFinishedOut>(first).at(0).retained);
  EXPECT_EQ(Of<SequenceClosedOut>(first).size(), 1U);
  EXPECT_EQ(stage.pages_used(), 2);
  EXPECT_TRUE(stage.Idle());
  const uint64_t rows = stage.counters().prompt_rows;
  auto actions = Step(&stage, {AdmitSequences{{Sharing(2, 1)}}});
  EXPECT_EQ(stage.pages_used(), 4);
  Step(&stage, {EvictPrefixes{{1}}});
  EXPECT_EQ(stage.pages_used(), 4) << "the second has them still";
  Finish(&stage, std::move(actions));
  EXPECT_EQ(stage.counters().prompt_rows - rows, 3 * 35U);  // of three segments
  EXPECT_EQ(stage.pages_used(), 0);
  Step(&stage, {EvictPrefixes{{1}}});
  EXPECT_TRUE(stage.Idle()) << "again, it is nothing";
}

TEST_F(PrefixTest, ACancelLeavesBehindWhatWasBegunWhole) {
  for (const int retained : {32, 64}) {
    StageConfig config = Config(0, 2);
    config.least_prefill_chunk_tokens = config.prefill_chunk_tokens = 40;
    config.send_credits = 1 << 20;
    Stage stage(config, &policy_);
    auto actions = Step(&stage, {AdmitSequences{{Retaining(Spec(1, 100), retained)}}});  // 40 rows in a job
    const auto cancelled = Step(&stage, {CancelSequences{{1}}});
    const int left = retained == 32 ? 32 : 0;
    EXPECT_EQ(Of<SequenceFinishedOut>(cancelled).at(0).retained, left > 0);
    actions = Finish(&stage, std::move(actions));
    actions.insert(actions.begin(), cancelled.begin(), cancelled.end());
    EXPECT_EQ(PositionsSent(actions, 1).size(), static_cast<size_t>(left) + 1);
    int32_t told = -1;
    for (const SendFrame& send : Of<SendFrame>(actions)) {
      for (const Row& row : send.frame.rows) {
        if (KindOf(row) == ControlKind::kCancel) told = std::get<ControlRow>(row).position;
      }
    }
    EXPECT_EQ(told, left);
    EXPECT_EQ(stage.pages_used(), left / 32);
    EXPECT_EQ(stage.slots_used(), 0);
  }
}

TEST_F(PrefixTest, TheNextStageKeepsAndEvictsAsItIsTold) {
  Stage first(Config(0, 2), &policy_);
  Finish(&first, Step(&first, {AdmitSequences{{Retaining(Spec(1, 100))}}}));
  Step(&first, {FrameTaken{}, FrameTaken{}, FrameTaken{}, CancelSequences{{1}}});
  EXPECT_EQ(first.pages_used(), 2);
  const auto evict = Of<SendFrame>(Step(&first, {FrameTaken{}, EvictPrefixes{{1}}}));
  ASSERT_EQ(evict.size(), 1U);
  EXPECT_EQ(KindOf(evict[0].frame.rows.at(0)), ControlKind::kEvict);

  Stage next(Config(1, 2), &policy_);
  Step(&next, {FrameArrived{{7, 1, {ControlRow{ControlKind::kOpen, 1}}, {Retaining(Spec(1, 100))}}}});
  Frame rows{7, 2, {}, {}};
  for (int i = 0; i < 64; ++i) rows.rows.push_back(RowAt(1, i, kPrompt));
  rows.rows.push_back(ControlRow{ControlKind::kCancel, 1, 0, 64});
  auto actions = Step(&next, {FrameArrived{rows, 1}});
  EXPECT_EQ(next.open_sequences(), 1) << "its rows have yet to run";
  Finish(&next, std::move(actions));
  EXPECT_EQ(next.open_sequences(), 0);
  EXPECT_EQ(next.pages_used(), 2);
  Step(&next, {FrameArrived{evict[0].frame}});
  EXPECT_EQ(next.pages_used(), 0);

  Stage lied(Config(1, 2), &policy_);
  Step(&lied, {FrameArrived{{7, 1, {ControlRow{ControlKind::kOpen, 1}}, {Retaining(Spec(1, 100))}}}});
  const auto failed =
      Of<StageFailed>(Step(&lied, {FrameArrived{{7, 2, {ControlRow{ControlKind::kClose, 1, 0, 32}}, {}}}}));
  EXPECT_EQ(failed.at(0).error.message, "sequence 1 is to leave 64 tokens behind, not 32");
}

}  // namespace
}  // namespace exeunt::worker
