// The stage core alone, event by event: what is stale, wrong or over a limit changes nothing, or fails by
// name.
#include <numeric>

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
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
  const Frame rollback{7, 2, {ControlRow{ControlKind::kRollback, 1, 2, 0}}, {}};
  Step(&stage, {FrameArrived{rollback}});
  const Frame stale{7, 3, {RowAt(1, 0, kPrompt, 1), RowAt(9, 0, kPrompt)}, {}};
  const auto actions = Step(&stage, {FrameArrived{stale, 4}});
  EXPECT_EQ(stage.counters().stale_frames, 2U);
  ASSERT_EQ(Of<LoadStates>(actions).size(), 1U);
  EXPECT_EQ(Of<LoadStates>(actions)[0].slots, (std::vector<int32_t>{-1, -1}));
  EXPECT_TRUE(Of<SubmitJob>(actions).empty());
  const Frame current{7, 4, {RowAt(1, 0, kPrompt, 2)}, {}};
  EXPECT_EQ(Of<SubmitJob>(Step(&stage, {FrameArrived{current, 5}})).size(), 1U);
}

TEST_F(StageTest, ARollbackTruncatesHistoryAndWatermarkAndDropsQueuedRows) {
  Stage stage(Config(1, 2), &policy_);
  Step(&stage, {FrameArrived{OpenFrame(1)}});
  const Frame rows{7, 2, {RowAt(1, 0, kPrompt), RowAt(1, 1, kPrompt)}, {}};
  Finish(&stage, Step(&stage, {FrameArrived{rows, 1}}));
  EXPECT_EQ(stage.Progress()[0].watermark, 2);
  const Frame rollback{7, 3, {ControlRow{ControlKind::kRollback, 1, 1, 1}}, {}};
  Step(&stage, {FrameArrived{rollback}});
  EXPECT_EQ(stage.Progress()[0].watermark, 1);
  const Frame again{7, 4, {RowAt(1, 1, kPrompt, 1)}, {}};
  Finish(&stage, Step(&stage, {FrameArrived{again, 2}}));
  EXPECT_EQ(stage.Progress()[0].watermark, 2);
}

TEST_F(StageTest, AnAbsurdPositionFailsByName) {
  Stage stage(Config(1, 2), &policy_);
  Step(&stage, {FrameArrived{OpenFrame(1)}});
  const Frame gap{7, 2, {RowAt(1, 6, kLive)}, {}};
  const auto failed = Of<StageFailed>(Step(&stage, {FrameArrived{gap, 1}}));
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_NE(failed[0].error.message.find("sequence 1: row at position 6 after 3 tokens"), std::string::npos);
}

// Modes `exact` and `verify` have their plans and are not built: a row that needs them is not run as another.
TEST_F(StageTest, ARowThatNeedsWhatIsNotBuiltFailsByName) {
  const auto failure = [&](const Row& row) {
    Stage stage(Config(1, 2), &policy_);
    Step(&stage, {FrameArrived{OpenFrame(1)}});
    const auto actions = Step(&stage, {FrameArrived{{7, 2, {row}, {}}, 1}});
    EXPECT_TRUE(Of<SubmitJob>(actions).empty());
    return Of<StageFailed>(actions).at(0).error.message;
  };
  EXPECT_EQ(failure(RowAt(1, 0, RowPlan::Left(ExitMode::kVerify, 2, 8))),
            "rows that compare a draft are not built yet");
  EXPECT_EQ(failure(RowAt(1, 0, {5, 8, HeadUse::kNone, false})),
            "row plan run_to 5 is inside layers 4 to 6, which run together");
  EXPECT_EQ(failure(ControlRow{ControlKind::kRollback, 1, 1, 2, /*token=*/5, /*exit_layer=*/8}),
            "sequence 1: a rollback with a corrected token is not built yet");
}

// A replayed position is a value: it runs as far as it ran before, and is a fill from there on.
TEST_F(StageTest, AReplayedRowRunsToTheLayerWhereItHadLeft) {
  Stage stage(Config(1, 2), &policy_);  // layers 4 to 6, and 6 to 8
  Step(&stage, {FrameArrived{OpenFrame(1)}});
  const Frame frame{7, 2, {RowAt(1, 0, RowPlan::Replayed(6, 8)), RowAt(1, 1, kPrompt)}, {}};
  const auto jobs = Of<SubmitJob>(Finish(&stage, Step(&stage, {FrameArrived{frame, 1}})));
  ASSERT_EQ(jobs.size(), 2U);
  EXPECT_EQ(std::get<SegmentJob>(jobs[0].job.work).run.size(), 2U);
  EXPECT_EQ(std::get<SegmentJob>(jobs[1].job.work).run.size(), 1U);
  EXPECT_EQ(std::get<SegmentJob>(jobs[1].job.work).fill.size(), 1U);
  EXPECT_EQ(stage.Progress()[0].watermark, 2);
  EXPECT_EQ(stage.slots_used(), 0);
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
  EXPECT_EQ(Of<SequenceFinishedOut>(all)[0].reason, EndReason::kLength);
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
  EXPECT_EQ(Of<SequenceFinishedOut>(all)[0].reason, EndReason::kStop);
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
  EXPECT_EQ(KindOf(frames[0].frame.rows[0]), ControlKind::kOpen);
  EXPECT_EQ(KindOf(frames[0].frame.rows[1]), ControlKind::kCancel);
  Stage next(Config(1, 2), &policy_);
  const auto closed = Step(&next, {FrameArrived{frames[0].frame}});
  EXPECT_EQ(Of<SequenceClosedOut>(closed).size(), 1U);
  EXPECT_TRUE(next.Idle());
}

size_t FillsSent(const std::vector<StageAction>& actions) {
  size_t fills = 0;
  for (const SendFrame& frame : Of<SendFrame>(actions)) {
    for (const StateRow& row : StateRows(frame.frame.rows)) fills += row.plan == kFill ? 1 : 0;
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
    Step(&stage, {FrameArrived{{7, 1, {ControlRow{ControlKind::kOpen, 1}}, {Spec(1)}}}});
    const Frame fills{7, 2, {RowAt(1, 0, kFill), RowAt(1, 1, kFill)}, {}};
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
  const auto frame = [](uint64_t id) { return FrameArrived{{7, id, {RowAt(id, 0, kPrompt)}, {}}, id}; };
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
  transport::StepRowsCounts expected{};
  expected[4] = 2;                             // 16 rows, through both segments
  expected[transport::StepRowsBucket(4)] = 2;  // and the other 4
  EXPECT_EQ(c.step_rows, expected);
  EXPECT_EQ(std::accumulate(c.step_rows.begin(), c.step_rows.end(), uint64_t{0}), c.steps);
  EXPECT_EQ(transport::StepRowsBucket(1), 0U);
  EXPECT_EQ(transport::StepRowsBucket(17), 5U);
  EXPECT_EQ(transport::StepRowsBucket(5000), transport::kStepRowsBounds.size());
}

}  // namespace
}  // namespace exeunt::worker
