// The stage core alone, event by event: what is stale, wrong or over a limit changes nothing, or fails by
// name.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "worker/testing/stage_fixture.h"

namespace exeunt {
namespace {

TEST_F(StageTest, AFrameOfAnOldEpochChangesNothingAndTheSameFrameOfThisEpochDoes) {
  Stage stage(Config(1, 2), &policy_);
  EXPECT_TRUE(Step(&stage, {FrameArrived{OpenFrame(1, 6)}}).empty());
  EXPECT_EQ(stage.counters().stale_frames, 1U);
  EXPECT_EQ(stage.open_sequences(), 0);
  EXPECT_EQ(stage.pages_used(), 0);
  Step(&stage, {FrameArrived{OpenFrame(1, 7)}});
  EXPECT_EQ(stage.open_sequences(), 1);
  EXPECT_EQ(stage.pages_used(), 1);
}

TEST_F(StageTest, RowsOfAnOldGenerationAndOfUnknownSequencesAreIgnored) {
  Stage stage(Config(1, 2), &policy_);
  Step(&stage, {FrameArrived{OpenFrame(1)}});
  const Frame rollback{
      7, 2, {{.sequence = 1, .generation = 2, .position = 0, .kind = RowKind::kRollback}}, {}};
  Step(&stage, {FrameArrived{rollback}});
  const Frame stale{7, 3, {StateRow(1, 0, RowKind::kPrompt, 1), StateRow(9, 0, RowKind::kPrompt)}, {}};
  const auto actions = Step(&stage, {FrameArrived{stale, 4}});
  EXPECT_EQ(stage.counters().stale_frames, 2U);
  ASSERT_EQ(Of<LoadStates>(actions).size(), 1U);
  EXPECT_EQ(Of<LoadStates>(actions)[0].slots, (std::vector<int32_t>{-1, -1}));
  EXPECT_TRUE(Of<SubmitJob>(actions).empty());
  const Frame current{7, 4, {StateRow(1, 0, RowKind::kPrompt, 2)}, {}};
  EXPECT_EQ(Of<SubmitJob>(Step(&stage, {FrameArrived{current, 5}})).size(), 1U);
}

TEST_F(StageTest, ARollbackTruncatesHistoryAndWatermarkAndDropsQueuedRows) {
  Stage stage(Config(1, 2), &policy_);
  Step(&stage, {FrameArrived{OpenFrame(1)}});
  const Frame rows{7, 2, {StateRow(1, 0, RowKind::kPrompt), StateRow(1, 1, RowKind::kPrompt)}, {}};
  Finish(&stage, Step(&stage, {FrameArrived{rows, 1}}));
  EXPECT_EQ(stage.Progress()[0].watermark, 2);
  const Frame rollback{
      7, 3, {{.sequence = 1, .generation = 1, .position = 1, .kind = RowKind::kRollback}}, {}};
  Step(&stage, {FrameArrived{rollback}});
  EXPECT_EQ(stage.Progress()[0].watermark, 1);
  const Frame again{7, 4, {StateRow(1, 1, RowKind::kPrompt, 1)}, {}};
  Finish(&stage, Step(&stage, {FrameArrived{again, 2}}));
  EXPECT_EQ(stage.Progress()[0].watermark, 2);
}

TEST_F(StageTest, AnAbsurdPositionFailsByName) {
  Stage stage(Config(1, 2), &policy_);
  Step(&stage, {FrameArrived{OpenFrame(1)}});
  const Frame gap{7, 2, {StateRow(1, 6, RowKind::kLive)}, {}};
  const auto failed = Of<StageFailed>(Step(&stage, {FrameArrived{gap, 1}}));
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_NE(failed[0].error.message.find("sequence 1: row at position 6 after 3 tokens"), std::string::npos);
}

TEST_F(StageTest, ASequenceOpenedTwiceOrOverThePagesFailsByName) {
  Stage twice(Config(0, 1), &policy_);
  EXPECT_EQ(Of<StageFailed>(Step(&twice, {AdmitSequences{{Spec(1), Spec(1)}}}))[0].error.message,
            "sequence 1 is opened twice");
  Stage full(Config(0, 1), &policy_);
  const auto failed = Of<StageFailed>(Step(&full, {AdmitSequences{{Spec(1, 100, 100), Spec(2, 100, 20)}}}));
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_NE(failed[0].error.message.find("needs 4 KV pages and 7 of 8 are used"), std::string::npos);
}

TEST_F(StageTest, TokensEndAtMaxTokensAndFreeEverything) {
  Stage stage(Config(0, 1), &policy_);
  const auto all = Finish(&stage, Step(&stage, {AdmitSequences{{Spec(1)}}}));
  EXPECT_EQ(Of<TokenOut>(all).size(), 4U);
  ASSERT_EQ(Of<SequenceFinishedOut>(all).size(), 1U);
  EXPECT_EQ(Of<SequenceFinishedOut>(all)[0].tokens, 4);
  EXPECT_EQ(Of<SequenceFinishedOut>(all)[0].reason, Finish::kLength);
  EXPECT_EQ(Of<SequenceClosedOut>(all).size(), 1U);
  EXPECT_EQ(stage.pages_used(), 0);
  EXPECT_EQ(stage.slots_used(), 0);
  EXPECT_TRUE(stage.Idle());
}

TEST_F(StageTest, AnEndTokenStopsTheSequence) {
  Stage stage(Config(0, 1), &policy_);
  SequenceSpec spec = Spec(1);
  spec.end_tokens = {5};
  const auto all = Finish(&stage, Step(&stage, {AdmitSequences{{spec}}}));
  EXPECT_EQ(Of<TokenOut>(all).size(), 1U);
  EXPECT_EQ(Of<SequenceFinishedOut>(all)[0].reason, Finish::kStop);
}

TEST_F(StageTest, ACancelWhileAJobRunsKeepsPagesUntilTheJobIsDone) {
  Stage stage(Config(0, 1), &policy_);
  const auto submitted = Of<SubmitJob>(Step(&stage, {AdmitSequences{{Spec(1)}}}));
  ASSERT_EQ(submitted.size(), 1U);
  const auto cancelled = Step(&stage, {CancelSequences{{1}}, CancelSequences{{1}}, CancelSequences{{99}}});
  EXPECT_EQ(Of<SequenceFinishedOut>(cancelled).size(), 1U);
  EXPECT_TRUE(Of<SequenceClosedOut>(cancelled).empty());
  EXPECT_EQ(stage.pages_used(), 1);
  const auto done = Step(&stage, {JobDone{submitted[0].job}});
  EXPECT_EQ(Of<SequenceClosedOut>(done).size(), 1U);
  EXPECT_EQ(stage.pages_used(), 0);
  EXPECT_EQ(stage.slots_used(), 0);
}

TEST_F(StageTest, OpenAndCloseOfACancelledSequenceBothReachTheNextStage) {
  StageConfig config = Config(0, 2);
  config.send_credits = 0;  // nothing can be sent at first
  Stage blocked(config, &policy_);
  Step(&blocked, {AdmitSequences{{Spec(1)}}});
  Step(&blocked, {CancelSequences{{1}}});
  EXPECT_FALSE(blocked.Idle());

  Stage stage(Config(0, 2), &policy_);
  const auto actions = Step(&stage, {AdmitSequences{{Spec(1)}}, CancelSequences{{1}}});
  const auto frames = Of<SendFrame>(actions);
  ASSERT_EQ(frames.size(), 1U);
  ASSERT_EQ(frames[0].frame.rows.size(), 2U);
  EXPECT_EQ(frames[0].frame.rows[0].kind, RowKind::kOpen);
  EXPECT_EQ(frames[0].frame.rows[1].kind, RowKind::kCancel);
  Stage next(Config(1, 2), &policy_);
  const auto closed = Step(&next, {FrameArrived{frames[0].frame}});
  EXPECT_EQ(Of<SequenceClosedOut>(closed).size(), 1U);
  EXPECT_TRUE(next.Idle());
}

class PrefixTest : public StageTest {
 protected:
  static SequenceSpec Sharing(uint64_t id, uint64_t source, int prompt = 100) {
    SequenceSpec spec = Spec(id, prompt);
    spec.prefix_of = source;
    spec.prefix_tokens = 64;
    return spec;
  }
  static std::vector<int32_t> PositionsSent(const std::vector<StageAction>& actions, uint64_t sequence) {
    std::vector<int32_t> positions;  // of its prompt rows; -1: its end
    for (const SendFrame& send : Of<SendFrame>(actions)) {
      for (const FrameRow& row : send.frame.rows) {
        if (row.sequence != sequence) continue;
        if (row.kind == RowKind::kPrompt) positions.push_back(row.position);
        if (row.kind == RowKind::kClose || row.kind == RowKind::kCancel) positions.push_back(-1);
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
  EXPECT_EQ(
      failure(Config(1, 2), FrameArrived{{7, 1, {{.sequence = 2, .kind = RowKind::kOpen}}, {Sharing(2, 1)}}}),
      "sequence 2 shares a prefix with 1, which is not open");
}

SequenceSpec Retaining(SequenceSpec spec, int tokens = 64) {
  spec.retain_tokens = tokens;
  return spec;
}

TEST_F(PrefixTest, WhatASequenceLeavesBehindIsSharedUntilItIsEvicted) {
  Stage stage(Config(0, 1), &policy_);
  const auto first = Finish(&stage, Step(&stage, {AdmitSequences{{Retaining(Spec(1, 100))}}}));
  EXPECT_EQ(Of<SequenceFinishedOut>(first).at(0).retained, 64);
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
    EXPECT_EQ(Of<SequenceFinishedOut>(cancelled).at(0).retained, left);
    actions = Finish(&stage, std::move(actions));
    actions.insert(actions.begin(), cancelled.begin(), cancelled.end());
    EXPECT_EQ(PositionsSent(actions, 1).size(), static_cast<size_t>(left) + 1);
    int32_t told = -1;
    for (const SendFrame& send : Of<SendFrame>(actions)) {
      for (const FrameRow& row : send.frame.rows) told = row.kind == RowKind::kCancel ? row.position : told;
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
  EXPECT_EQ(evict[0].frame.rows.at(0).kind, RowKind::kEvict);

  Stage next(Config(1, 2), &policy_);
  Step(&next, {FrameArrived{{7, 1, {{.sequence = 1, .kind = RowKind::kOpen}}, {Retaining(Spec(1, 100))}}}});
  Frame rows{7, 2, {}, {}};
  for (int i = 0; i < 64; ++i) rows.rows.push_back(StateRow(1, i, RowKind::kPrompt));
  rows.rows.push_back({.sequence = 1, .position = 64, .kind = RowKind::kCancel});
  auto actions = Step(&next, {FrameArrived{rows, 1}});
  EXPECT_EQ(next.open_sequences(), 1) << "its rows have yet to run";
  Finish(&next, std::move(actions));
  EXPECT_EQ(next.open_sequences(), 0);
  EXPECT_EQ(next.pages_used(), 2);
  Step(&next, {FrameArrived{evict[0].frame}});
  EXPECT_EQ(next.pages_used(), 0);

  Stage lied(Config(1, 2), &policy_);
  Step(&lied, {FrameArrived{{7, 1, {{.sequence = 1, .kind = RowKind::kOpen}}, {Retaining(Spec(1, 100))}}}});
  const auto failed = Of<StageFailed>(
      Step(&lied, {FrameArrived{{7, 2, {{.sequence = 1, .position = 32, .kind = RowKind::kClose}}, {}}}}));
  EXPECT_EQ(failed.at(0).error.message, "sequence 1 is to leave 64 tokens behind, not 32");
}

size_t FillsSent(const std::vector<StageAction>& actions) {
  size_t fills = 0;
  for (const SendFrame& frame : Of<SendFrame>(actions)) {
    for (const FrameRow& row : frame.frame.rows) fills += row.kind == RowKind::kFill ? 1 : 0;
  }
  return fills;
}

TEST_F(StageTest, FillsOfTokensThatLeftAreDroppedWithTheirSequenceUnlessTheyWereDue) {
  SequenceSpec spec = Spec(1, 3, 6);
  spec.exit.mode = ExitMode::kPropagate;
  spec.exit.measure = ExitMeasure::kForced;
  spec.exit.forced = {{2, 1.0F}};  // every token leaves in the middle of stage 0
  Stage lazy(Config(0, 2), &policy_);
  const auto all = Finish(&lazy, Step(&lazy, {AdmitSequences{{spec}}}));
  EXPECT_EQ(lazy.counters().exits.at(2), 6U);
  EXPECT_LE(FillsSent(all), 1U);  // the first may ride with the prompt's rows
  EXPECT_EQ(lazy.counters().fills_dropped + FillsSent(all), 6U);
  EXPECT_EQ(lazy.counters().fills_sent, FillsSent(all));
  EXPECT_EQ(lazy.slots_used(), 0);

  StageConfig config = Config(0, 2);
  config.eager_forwarding = true;
  Stage eager(config, &policy_);
  EXPECT_GT(FillsSent(Finish(&eager, Step(&eager, {AdmitSequences{{spec}}}))), 0U);
}

TEST_F(StageTest, AFlushSendsFillsOnAnIdleStageAndSoDoesTime) {
  for (const bool flush : {true, false}) {
    Stage stage(Config(1, 3), &policy_);  // layers 2 to 5; the exit after layer 6 is not here
    Step(&stage, {FrameArrived{{7, 1, {{.sequence = 1, .kind = RowKind::kOpen}}, {Spec(1)}}}});
    const Frame fills{7, 2, {StateRow(1, 0, RowKind::kFill), StateRow(1, 1, RowKind::kFill)}, {}};
    EXPECT_TRUE(Step(&stage, {FrameArrived{fills, 1}, FrameTaken{}}).size() ==
                2U);  // slots and states, no job
    EXPECT_EQ(stage.backlog_rows(), 2);
    std::vector<StageEvent> events;
    if (flush) {
      events.push_back(FlushForwarding{});
    } else {
      now_.since_start += std::chrono::milliseconds(10);
      EXPECT_LE(*stage.NextWake(), now_);
    }
    auto all = Finish(&stage, Step(&stage, std::move(events)));
    EXPECT_EQ(stage.counters().fill_rows, 2U);
    if (!flush) {
      now_.since_start += std::chrono::milliseconds(10);
      const auto later = Step(&stage, {});
      all.insert(all.end(), later.begin(), later.end());
    }
    EXPECT_EQ(FillsSent(all), 2U);
    EXPECT_EQ(stage.backlog_rows(), 0);
  }
}

// The seats of tokens that left earlier are taken by rows of other sequences: frames that were thinned out by
// exits are computed together.
TEST_F(StageTest, RowsOfSeveralFramesFormOneBatch) {
  Stage stage(Config(1, 2), &policy_);
  for (uint64_t id = 1; id <= 3; ++id) Step(&stage, {FrameArrived{OpenFrame(id)}});
  const auto frame = [](uint64_t id) {
    return FrameArrived{{7, id, {StateRow(id, 0, RowKind::kPrompt)}, {}}, id};
  };
  const auto first = Of<SubmitJob>(Step(&stage, {frame(1)}));
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(std::get<SegmentJob>(first[0].job.work).run.size(), 1U);
  Step(&stage, {frame(2)});
  Step(&stage, {frame(3)});
  // The first segment's rows of 2 and 3 wait while the row of 1 goes through the second segment; then they
  // run as one.
  auto jobs = Of<SubmitJob>(Step(&stage, {JobDone{first[0].job}}));
  ASSERT_EQ(jobs.size(), 1U);
  jobs = Of<SubmitJob>(Step(&stage, {JobDone{jobs[0].job}}));
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(std::get<SegmentJob>(jobs[0].job.work).run.size(), 2U);
  EXPECT_EQ(stage.counters().mixed_batches, 1U);
}

TEST_F(StageTest, CreditsBoundFramesInFlight) {
  StageConfig config = Config(0, 2);
  config.send_credits = 1;
  config.prefill_chunk_tokens = 1;
  Stage stage(config, &policy_);
  const auto all = Finish(&stage, Step(&stage, {AdmitSequences{{Spec(1, 20)}}}));
  EXPECT_EQ(Of<SendFrame>(all).size(), 1U);
  EXPECT_TRUE(stage.Blocked());
  EXPECT_EQ(Of<SendFrame>(Step(&stage, {FrameTaken{}})).size(), 1U);
  Finish(&stage, Step(&stage, {FrameTaken{}}));
  EXPECT_FALSE(stage.Blocked()) << "every row has gone";
}

TEST_F(StageTest, StepsAreCountedByTheirRows) {
  Stage stage(Config(0, 2), &policy_);  // one segment up to the exit after layer 2, one behind it
  Finish(&stage, Step(&stage, {AdmitSequences{{Spec(1, 20)}}}));
  const StageCounters& c = stage.counters();
  StepRowsCounts expected{};
  expected[4] = 2;                  // 16 rows, through both segments
  expected[StepRowsBucket(4)] = 2;  // and the other 4
  EXPECT_EQ(c.step_rows, expected);
  EXPECT_EQ(std::accumulate(c.step_rows.begin(), c.step_rows.end(), uint64_t{0}), c.steps);
  EXPECT_EQ(StepRowsBucket(1), 0U);
  EXPECT_EQ(StepRowsBucket(17), 5U);
  EXPECT_EQ(StepRowsBucket(5000), kStepRowsBounds.size());
}

TEST(FrameTest, SurvivesTheWireAndRefusesWhatIsDamaged) {
  Frame frame = OpenFrame(3);
  frame.rows.push_back(StateRow(3, 2, RowKind::kFill));
  frame.rows.back().exit_layer = 6;
  std::vector<std::byte> bytes;
  EncodeFrame(frame, &bytes);
  Frame decoded = OpenFrame(9);  // is replaced
  const Status status = DecodeFrame(bytes, kLimits, &decoded);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_EQ(decoded.rows.size(), 2U);
  EXPECT_EQ(decoded.rows[1].exit_layer, 6);
  EXPECT_EQ(decoded.opens.at(0).prompt, Spec(3).prompt);
  EXPECT_EQ(decoded.state_rows(), 1U);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(DecodeFrame(std::span(bytes).first(cut), kLimits, &decoded).has_value()) << cut;
  }
  const auto refuse = [&](FrameRow row, const char* why) {
    EncodeFrame({7, 1, {row}, {}}, &bytes);
    const Status bad = DecodeFrame(bytes, kLimits, &decoded);
    ASSERT_FALSE(bad.has_value());
    EXPECT_NE(bad.error().message.find(why), std::string::npos) << bad.error().message;
  };
  refuse({.position = 257, .token = 1}, "position 257 is outside [0, 256]");
  refuse({.token = 100}, "token 100 is outside [0, 100)");
  refuse({.token = 1, .exit_layer = 9}, "exit layer 9 is outside [0, 8]");
  refuse({.token = 1, .kind = static_cast<RowKind>(77)}, "kind 77 is unknown");
}

TEST(SequenceSpecTest, RefusesWhatAStageCouldNotRun) {
  const auto refuse = [](auto change, const char* why) {
    proto::OpenSequence m = ToProto(Spec(1));
    change(&m);
    const auto bad = FromProto(m, kLimits);
    ASSERT_FALSE(bad.has_value()) << why;
    EXPECT_NE(bad.error().message.find(why), std::string::npos) << bad.error().message;
  };
  refuse([](auto* m) { m->set_sequence(0); }, "sequence number 0");
  refuse([](auto* m) { m->clear_prompt(); }, "prompt of 0");
  refuse([](auto* m) { m->set_max_tokens(254); }, "do not fit the context of 256");
  refuse([](auto* m) { m->set_prompt(0, 100); }, "prompt token 100 is outside [0, 100)");
  refuse([](auto* m) { m->mutable_sampling()->set_repetition_penalty(-1); }, "repetition_penalty -1");
  refuse([](auto* m) { m->mutable_sampling()->set_presence_penalty(INFINITY); }, "is not finite");
  refuse([](auto* m) { m->mutable_sampling()->add_logit_bias()->set_token(100); }, "must be in [0, 100)");
  refuse(
      [](auto* m) {
        for (int i = 0; i <= kMaxLogitBiases; ++i) m->mutable_sampling()->add_logit_bias();
      },
      "1025 logit biases are more than 1024");
  refuse([](auto* m) { m->set_prefix_tokens(32); }, "prefix_of 0 is no other sequence");
  refuse([](auto* m) { m->set_prefix_of(1); }, "prefix_of 1 is no other sequence");
  refuse([](auto* m) { m->set_prefix_of(9); }, "prefix_tokens 0 is no multiple of 32");
  refuse(
      [](auto* m) {
        m->set_prefix_of(9);
        m->set_prefix_tokens(32);
      },
      "prefix_tokens 32 is no multiple of 32 below the prompt's 3");
  refuse([](auto* m) { m->set_score_from(3); }, "score_from 3 is outside the prompt's own positions (0, 3)");
  refuse(
      [](auto* m) {
        m->mutable_prompt()->Resize(40, 1);
        m->set_prefix_of(9);
        m->set_prefix_tokens(32);
        m->set_score_from(32);
      },
      "score_from 32 is outside the prompt's own positions (32, 40)");
  refuse([](auto* m) { m->mutable_exit()->set_mode(2); }, "exit mode exact is not built yet");
  refuse([](auto* m) { m->mutable_exit()->set_mode(3); }, "exit mode verify is not built yet");
  refuse([](auto* m) { m->mutable_exit()->set_mode(9); }, "exit mode 9 is unknown");
  refuse([](auto* m) { m->mutable_exit()->set_measure(9); }, "exit measure 9 is unknown");
  refuse([](auto* m) { m->mutable_exit()->add_forced()->set_layer(8); },
         "forced exit layer 8 is outside [1, 8)");
}

TEST(SequenceSpec, SamplingTravelsWithTheSequence) {
  SequenceSpec spec = Spec(1);
  spec.sampling = {.temperature = 0.5F,
                   .n_logprobs = 3,
                   .frequency_penalty = 1.5F,
                   .presence_penalty = -0.5F,
                   .repetition_penalty = 1.25F,
                   .min_tokens = 7,
                   .logit_bias = {{5, -100.0F}, {9, 2.5F}}};
  const auto read = FromProto(ToProto(spec), kLimits).value().sampling;
  EXPECT_EQ(read.frequency_penalty, 1.5F);
  EXPECT_EQ(read.presence_penalty, -0.5F);
  EXPECT_EQ(read.repetition_penalty, 1.25F);
  EXPECT_EQ(read.min_tokens, 7);
  ASSERT_EQ(read.logit_bias.size(), 2U);
  EXPECT_EQ(read.logit_bias[0].token, 5);
  EXPECT_EQ(read.logit_bias[1].bias, 2.5F);
  EXPECT_FALSE(FromProto(ToProto(Spec(1)), kLimits).value().sampling.AdjustsLogits());
}

}  // namespace
}  // namespace exeunt
