// What a stage runs next, and how that follows what it has learnt of its jobs and of where tokens leave.
#include <algorithm>

#include "worker/core/testing/stage_fixture.h"

namespace exeunt::worker {
namespace {

// One stage of 8 layers with exits after 2 and 6; sequences 1 .. n, whose tokens leave at `early` for the
// first half of them, and nowhere early for the others.
class HeadQueueTest : public StageTest {
 protected:
  std::vector<StageAction> Admit(Stage* stage, int n, int early, bool decide = false) {
    AdmitSequences admit;
    for (uint64_t id = 1; id <= static_cast<uint64_t>(n); ++id) {
      SequenceSpec spec = Spec(id, 1);
      if (static_cast<int>(id) <= n / 2) {
        spec.exit.mode = ExitMode::kPropagate;
        spec.exit.measure = decide ? ExitMeasure::kSoftmax : ExitMeasure::kForced;
        spec.exit.threshold = 0.9F;
        spec.exit.forced = {{early, 1.0F}};
      }
      admit.specs.push_back(std::move(spec));
    }
    return Step(stage, {std::move(admit)});
  }
  // Completes the job of `actions`; what it was, and what came then.
  static const HeadJob* Head(const std::vector<StageAction>& actions) {
    for (const StageAction& a : actions) {
      if (const auto* submit = std::get_if<SubmitJob>(&a)) return std::get_if<HeadJob>(&submit->job.work);
    }
    return nullptr;
  }
  std::vector<StageAction> Complete(Stage* stage, const std::vector<StageAction>& actions) {
    return Step(stage, {JobDone{.job = Of<SubmitJob>(actions).at(0).job, .took = kStep}});
  }
};

TEST_F(HeadQueueTest, AFewRowsThatLeaveWaitForTheHeadWithThoseThatAreDeeper) {
  Stage stage(Config(0, 1), &policy_);
  auto actions = Complete(&stage, Admit(&stage, 4, 2));  // layers 0 to 2: two rows leave
  EXPECT_EQ(Head(actions), nullptr);
  actions = Complete(&stage, actions);  // to 6
  EXPECT_EQ(Head(actions), nullptr);
  actions = Complete(&stage, actions);  // to 8
  ASSERT_NE(Head(actions), nullptr);
  std::vector<int> layers;
  for (const HeadRow& row : Head(actions)->rows) layers.push_back(row.layer);
  EXPECT_EQ(layers, (std::vector<int>{2, 2, 8, 8}));
  const auto tokens = Of<TokenOut>(Finish(&stage, actions));
  EXPECT_EQ(tokens.size(), 16U);
  EXPECT_EQ(stage.slots_used(), 0);
}

TEST_F(HeadQueueTest, ManyRowsAndRowsThatTheHeadDecidesOnDoNotWait) {
  StageConfig config = Config(0, 1);
  config.head_batch_rows = 2;
  Stage many(config, &policy_);
  const auto first = Complete(&many, Admit(&many, 4, 2));
  ASSERT_NE(Head(first), nullptr);
  EXPECT_EQ(Head(first)->rows.size(), 2U);
  Stage decide(Config(0, 1), &policy_);
  const auto second = Complete(&decide, Admit(&decide, 4, 2, true));
  ASSERT_NE(Head(second), nullptr);
  EXPECT_EQ(Head(second)->rows.size(), 2U);
}

TEST_F(HeadQueueTest, ACancelledSequenceLeavesTheQueueOfTheHead) {
  Stage stage(Config(0, 1), &policy_);
  auto actions = Complete(&stage, Admit(&stage, 4, 2));
  const int slots = stage.slots_used();
  EXPECT_EQ(Of<SequenceClosedOut>(Step(&stage, {CancelSequences{{1}}})).size(), 1U);
  EXPECT_EQ(stage.slots_used(), slots - 1);
  const auto tokens = Of<TokenOut>(Finish(&stage, Complete(&stage, actions)));
  EXPECT_EQ(std::count_if(tokens.begin(), tokens.end(), [](const TokenOut& t) { return t.sequence == 1; }),
            0);
  EXPECT_EQ(tokens.size(), 12U);
  EXPECT_EQ(stage.slots_used(), 0);
  EXPECT_TRUE(stage.Idle());
}

class ScheduleTest : public StageTest {
 protected:
  // Runs jobs that take `layer_seconds(rows)` a layer until none is left; the rows of every segment job.
  template <typename Cost>
  std::vector<size_t> Run(Stage* stage, std::vector<StageAction> actions, Cost layer_seconds) {
    std::vector<size_t> sizes;
    Finish(stage, std::move(actions), [&](const Job& job) {
      const auto* segment = std::get_if<SegmentJob>(&job.work);
      if (segment == nullptr) return Duration{0};
      sizes.push_back(segment->run.size());
      return FromSeconds(layer_seconds(sizes.back()) * (segment->layer_end - segment->layer_begin));
    });
    return sizes;
  }
};

TEST_F(ScheduleTest, PromptsAreCutNoFinerThanMakesARowDear) {
  StageConfig config = Config(0, 1);
  config.exit_layers.clear();
  config.kv_pages = 64;
  config.least_prefill_chunk_tokens = 4;
  config.prefill_chunk_tokens = 64;
  // Every size is tried once; then a matrix that is read in the time of 24 rows wants chunks of 32, and where
  // every row costs the same the least chunk is best.
  Stage dear(config, &policy_);
  auto sizes = Run(&dear, Step(&dear, {AdmitSequences{{Spec(1, 220)}}}),
                   [](size_t rows) { return 1e-3 * std::max(24.0, static_cast<double>(rows)); });
  EXPECT_EQ((std::vector<size_t>(sizes.begin(), sizes.begin() + 9)),
            (std::vector<size_t>{4, 8, 16, 32, 32, 32, 32, 32, 32}));
  Stage even(config, &policy_);
  sizes = Run(&even, Step(&even, {AdmitSequences{{Spec(1, 100)}}}),
              [](size_t rows) { return 1e-3 * static_cast<double>(rows); });
  EXPECT_EQ((std::vector<size_t>(sizes.begin(), sizes.begin() + 7)),
            (std::vector<size_t>{4, 8, 16, 32, 4, 4, 4}));
  // A fixed size is kept to.
  config.least_prefill_chunk_tokens = 64;
  Stage fixed(config, &policy_);
  sizes = Run(&fixed, Step(&fixed, {AdmitSequences{{Spec(1, 200)}}}),
              [](size_t rows) { return 1e-3 * static_cast<double>(rows); });
  EXPECT_EQ((std::vector<size_t>(sizes.begin(), sizes.begin() + 4)), (std::vector<size_t>{64, 64, 64, 8}));
}

// Three prompts of 8 in chunks of 4; sequence 1 could decode after two of them.
TEST_F(ScheduleTest, DecodingWaitsForPromptsOnlyWherePromptsAreFirst) {
  for (const bool prefill_first : {false, true}) {
    StageConfig config = Config(0, 1);
    config.exit_layers.clear();
    config.kv_pages = 64;
    config.least_prefill_chunk_tokens = config.prefill_chunk_tokens = 4;
    config.prefill_first = prefill_first;
    Stage stage(config, &policy_);
    const auto sizes = Run(&stage, Step(&stage, {AdmitSequences{{Spec(1, 8), Spec(2, 8), Spec(3, 8)}}}),
                           [](size_t) { return 1e-3; });
    const std::vector<size_t> first_steps(sizes.begin(), sizes.begin() + 7);
    EXPECT_EQ(first_steps, prefill_first ? (std::vector<size_t>{4, 4, 4, 4, 4, 4, 3})
                                         : (std::vector<size_t>{4, 4, 5, 5, 6, 5, 2}));
  }
}

// The second of two stages, layers 4 to 8 with an exit after 6. A row of sequence 1 goes deep; two rows of
// others arrive during each of the first jobs, and leave after 6 or go deep, too. What its jobs run, as
// {first layer, rows}.
class PickSegmentTest : public StageTest {
 protected:
  using Jobs = std::vector<std::pair<int, size_t>>;
  Jobs Run(bool others_leave, int arrivals) {
    StageConfig config = Config(1, 2);
    config.kv_pages = 64;
    Stage stage(config, &policy_);
    Frame open{7, 1, {}, {}};
    for (uint64_t id = 1; id <= 1 + 2 * static_cast<uint64_t>(arrivals); ++id) {
      open.rows.push_back(ControlRow{ControlKind::kOpen, id});
      open.opens.push_back(Spec(id, 1));
      if (id == 1 || !others_leave) continue;
      open.opens.back().exit.mode = ExitMode::kPropagate;
      open.opens.back().exit.measure = ExitMeasure::kForced;
      open.opens.back().exit.forced = {{6, 1.0F}};
    }
    Step(&stage, {FrameArrived{open}});
    auto actions = Step(&stage, {FrameArrived{{7, 2, {RowAt(1, 0, kLive)}, {}}, 1}});
    Jobs jobs;
    for (uint64_t frame = 0; frame < static_cast<uint64_t>(arrivals); ++frame) {
      const Frame two{7, 3 + frame, {RowAt(2 + 2 * frame, 0, kLive), RowAt(3 + 2 * frame, 0, kLive)}, {}};
      EXPECT_TRUE(Of<SubmitJob>(Step(&stage, {FrameArrived{two, 2 * frame + 2}})).empty());
      const Job job = Of<SubmitJob>(actions).at(0).job;
      Note(job, &jobs);
      actions = Step(&stage, {Done(job)});
    }
    for (const SubmitJob& job : Of<SubmitJob>(Finish(&stage, actions))) Note(job.job, &jobs);
    return jobs;
  }

 private:
  static void Note(const Job& job, Jobs* jobs) {
    if (const auto* segment = std::get_if<SegmentJob>(&job.work))
      jobs->push_back({segment->layer_begin, segment->run.size()});
  }
};

TEST_F(PickSegmentTest, ADeepRowIsPassedOverForMoreRowsThatJoinIt) {
  EXPECT_EQ(Run(false, 1), (Jobs{{4, 1}, {4, 2}, {6, 3}}));
}

TEST_F(PickSegmentTest, ADeepRowIsPassedOverAFewTimesOnlyByRowsThatLeave) {
  EXPECT_EQ(Run(true, 6), (Jobs{{4, 1}, {4, 2}, {4, 2}, {4, 2}, {6, 1}, {4, 6}}));
}

// Stage 0 of two shares its sequences out between two micro-batches. Where it sees that tokens do not reach
// the second stage, there is no other micro-batch to leave rows for.
TEST_F(ScheduleTest, ADecodeStepTakesAShareForEveryStageThatTokensUse) {
  const auto largest_step = [&](bool leave_here) {
    StageConfig config = Config(0, 2);
    config.kv_pages = 64;
    config.send_credits = 1 << 20;
    Stage stage(config, &policy_);
    AdmitSequences admit;
    for (uint64_t id = 1; id <= 8; ++id) {
      SequenceSpec spec = Spec(id, 1, 100);
      spec.exit.mode = ExitMode::kPropagate;
      spec.exit.measure = ExitMeasure::kForced;
      spec.exit.forced = {{2, leave_here ? 1.0F : 0.0F}};
      admit.specs.push_back(std::move(spec));
    }
    auto actions = Step(&stage, {std::move(admit)});
    std::vector<size_t> steps;  // of the first layers
    for (int i = 0; i < 60; ++i) {
      const auto all = Finish(&stage, std::move(actions));
      Frame tokens{7, static_cast<uint64_t>(i + 1), {}, {}};
      std::vector<StageEvent> events;
      for (const SubmitJob& job : Of<SubmitJob>(all)) {
        const auto* segment = std::get_if<SegmentJob>(&job.job.work);
        if (segment != nullptr && segment->layer_begin == 0) steps.push_back(segment->run.size());
      }
      for (const SendFrame& send :
           Of<SendFrame>(all)) {  // the second stage's part: its tokens come back at once
        events.push_back(FrameTaken{});
        for (const StateRow& row : StateRows(send.frame.rows)) {
          if (!row.plan.Answers()) continue;
          tokens.rows.push_back(ControlRow{.kind = ControlKind::kToken,
                                           .sequence = row.sequence,
                                           .position = row.position + 1,
                                           .token = 5,
                                           .exit_layer = 8});
        }
      }
      if (!tokens.rows.empty()) events.push_back(FrameArrived{tokens, 0});
      actions = Step(&stage, std::move(events));
    }
    return *std::max_element(steps.begin() + 1, steps.end());  // behind the prompts
  };
  EXPECT_EQ(largest_step(false), 4U);
  EXPECT_EQ(largest_step(true), 8U);
}

// A frame's header is bounded: long prompts go one in a frame, and a frame without a long one is not delayed.
TEST_F(ScheduleTest, LongPromptsDoNotShareAFrame) {
  constexpr int kLong = static_cast<int>(kMaxFrameOpenTokens) * 2 / 3;
  StageConfig config = Config(0, 2);
  config.kv_pages = 1 << 15;
  config.send_credits = 8;
  Stage stage(config, &policy_);
  const auto actions =
      Step(&stage, {AdmitSequences{{Spec(1, 3), Spec(2, kLong), Spec(3, kLong), Spec(4, 3)}}});
  std::vector<std::vector<uint64_t>> opened;
  for (const SendFrame& send : Of<SendFrame>(actions)) {
    std::vector<uint64_t> ids;
    size_t tokens = 0;
    for (const SequenceSpec& spec : send.frame.opens) {
      ids.push_back(spec.sequence);
      tokens += spec.prompt.size();
    }
    EXPECT_LE(tokens, kMaxFrameOpenTokens);
    opened.push_back(ids);
  }
  EXPECT_EQ(opened, (std::vector<std::vector<uint64_t>>{{1, 2}, {3, 4}}));
}

}  // namespace
}  // namespace exeunt::worker
