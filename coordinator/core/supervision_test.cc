// Jobs: start, load, health, restart, drain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/testing/core_harness.h"

namespace exeunt::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;

CoreConfig SmallConfig() {
  CoreConfig config;
  config.stages = 2;
  config.first_epoch = 100;
  config.context_length = 1000;
  config.plan.model_path = "the model";
  return config;
}

PipelineState State(const CoreHarness& h, size_t pipeline = 0) {
  return h.core.replicas()[pipeline].pipeline.state();
}

// The job was told to end, for this reason, once.
void ExpectEnded(const CoreHarness& h, const std::string& why) {
  ASSERT_EQ(h.All<EndPipeline>().size(), 1U);
  EXPECT_THAT(h.All<EndPipeline>()[0].why, HasSubstr(why));
  EXPECT_EQ(State(h), PipelineState::kEnding);
  EXPECT_FALSE(h.core.ready());
}

TEST(Supervision, BringsAPipelineUp) {
  CoreHarness h(SmallConfig());
  EXPECT_FALSE(h.core.ready());
  h.Do1(Tick{});
  ASSERT_EQ(h.All<StartPipeline>().size(), 1U);
  EXPECT_EQ(h.All<StartPipeline>()[0].epoch, 100U);
  EXPECT_EQ(State(h), PipelineState::kStarting);
  h.Do1(WorkerConnected{0, 100, 1});
  EXPECT_EQ(State(h), PipelineState::kStarting);
  h.Do1(WorkerConnected{0, 100, 0});
  EXPECT_EQ(State(h), PipelineState::kLoading);
  ASSERT_EQ(h.Sent<to_worker::Plan>(0, 0).size(), 1U);
  EXPECT_EQ(h.Sent<to_worker::Plan>(0, 1).at(0).model_path, "the model");
  h.Ready(0, 0, 10);
  EXPECT_EQ(State(h), PipelineState::kLoading);
  h.Ready(0, 1, 10);
  EXPECT_EQ(State(h), PipelineState::kReady);
  EXPECT_FALSE(h.core.ready()) << "no token has come through yet";
  h.Arrive(1, 1);
  EXPECT_EQ(h.All<RequestFailed>().at(0).kind, FailureKind::kNoPipeline);
  h.AnswerCanary();
  EXPECT_TRUE(h.core.ready());
  h.Pass(seconds(5));
  EXPECT_EQ(h.All<StartPipeline>().size(), 1U);
}

TEST(Supervision, MessagesOfAnOldEpochChangeNothing) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Arrive(1, 1);
  const from_worker::Tokens token{{{2, {.position = 1}}}};
  const from_worker::Fatal fatal{"x"};
  h.actions.clear();
  for (const uint64_t epoch : {uint64_t{99}, uint64_t{101}}) {
    h.Do1(WorkerMessage{0, epoch, 0, token});
    h.Do1(WorkerMessage{0, epoch, 0, fatal});
    h.Do1(WorkerLost{0, epoch, 0, "x"});
    h.Do1(WorkerConnected{0, epoch, 0});
    h.Do1(PipelineExited{0, epoch, "x"});
  }
  h.Do1(WorkerMessage{7, 100, 0, fatal});
  h.Do1(WorkerMessage{0, 100, 7, fatal});
  EXPECT_THAT(h.actions, IsEmpty());
  EXPECT_TRUE(h.core.ready());
}

TEST(Supervision, ExitRestartsUnderANewEpochWithDoublingBackoff) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  const int64_t waits_s[] = {1, 2, 4, 8, 16, 30, 30};
  uint64_t epoch = 100;
  for (const int64_t wait : waits_s) {
    h.Do1(PipelineExited{0, epoch, "signal 9"});
    EXPECT_EQ(State(h), PipelineState::kBackoff);
    h.actions.clear();
    h.Pass(seconds(wait) - milliseconds(1));
    EXPECT_THAT(h.All<StartPipeline>(), IsEmpty()) << wait;
    h.Pass(milliseconds(1));
    ASSERT_EQ(h.All<StartPipeline>().size(), 1U) << wait;
    EXPECT_EQ(h.epoch, ++epoch);
  }
  EXPECT_EQ(h.core.replicas()[0].pipeline.restarts(), 7U);
  // A healthy minute, and the back-off starts anew.
  h.BringUp();
  for (int i = 0; i < 59; ++i) {
    h.Pass(seconds(1));
    h.AnswerCanary();
  }
  h.Do1(PipelineExited{0, epoch, "signal 9"});
  h.actions.clear();
  h.Pass(seconds(29));
  EXPECT_THAT(h.All<StartPipeline>(), IsEmpty()) << "59 s are no minute";
  h.Pass(seconds(1));
  h.BringUp();
  for (int i = 0; i < 60; ++i) {
    h.Pass(seconds(1));
    h.AnswerCanary();
  }
  h.Do1(PipelineExited{0, h.epoch, "signal 9"});
  h.actions.clear();
  h.Pass(seconds(1));
  EXPECT_EQ(h.All<StartPipeline>().size(), 1U);
}

TEST(Supervision, RunningRequestsFailAndWaitingOnesWait) {
  CoreConfig config = SmallConfig();
  config.max_sequences = 1;
  CoreHarness h(config);
  h.BringUp();
  const RequestId running = h.Arrive(1, 5);
  const RequestId waiting = h.Arrive(1, 5);
  h.Do1(PipelineExited{0, 100, "signal 9"});
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].id, running);
  EXPECT_EQ(h.All<RequestFailed>()[0].kind, FailureKind::kPipelineRestarted);
  EXPECT_THAT(h.All<RequestFailed>()[0].message, HasSubstr("signal 9"));
  EXPECT_EQ(h.core.queued(), 1U);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 0U);
  h.Pass(seconds(1));
  h.BringUp();
  h.Pass(milliseconds(1));
  EXPECT_EQ(h.core.queued(), 0U);
  h.Token(0, 0, h.core.replicas()[0].sequences.begin()->first, 1, 3);
  ASSERT_EQ(h.All<RequestTokens>().size(), 1U);
  EXPECT_EQ(h.All<RequestTokens>()[0].id, waiting);
}

TEST(Supervision, SequenceNumbersAndDoorbellsStartSoundInANewEpoch) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Arrive(1, 5);
  h.Do1(PipelineExited{0, 100, "x"});
  h.Pass(seconds(1));
  h.actions.clear();
  h.Connect();
  h.Ready(0, 0, 100);
  h.Ready(0, 1, 100);
  EXPECT_EQ(h.Sent<to_worker::Doorbell>(0, 1).at(0).opened, 1U) << "of this epoch";
}

TEST(Supervision, LoadingHasADeadlineThatProgressExtends) {
  CoreConfig config = SmallConfig();
  config.load_timeout = seconds(10);
  CoreHarness h(config);
  h.Do1(Tick{});
  h.Connect();
  const auto progress = [&](float fraction) {
    h.From(0, 1, from_worker::LoadProgress{.fraction = fraction});
  };
  h.Pass(seconds(9));
  progress(0.5F);
  h.Pass(seconds(9));
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  progress(0.5F);  // no step forward
  h.Pass(milliseconds(999));
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  h.Pass(milliseconds(1));
  ExpectEnded(h, "not loaded");
}

TEST(Supervision, AJobThatNeverConnectsIsEnded) {
  CoreConfig config = SmallConfig();
  config.load_timeout = seconds(10);
  CoreHarness h(config);
  h.Do1(Tick{});
  h.Pass(seconds(10));
  ExpectEnded(h, "not loaded");
}

TEST(Supervision, ASilentWorkerEndsTheJob) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Pass(seconds(5));
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  for (int i = 0; i < 6; ++i) {
    h.Beat(0, 0, static_cast<uint64_t>(i), false);
    h.Pass(milliseconds(500), /*beat=*/false);
  }
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty()) << "three seconds are not more than three";
  h.Pass(milliseconds(1), false);
  ExpectEnded(h, "stage 1: no heartbeat");
}

TEST(Supervision, ABusyWorkerWithoutProgressEndsTheJob) {
  CoreConfig config = SmallConfig();
  config.progress_timeout = seconds(8);
  config.canary_idle = seconds(1000);
  CoreHarness h(config);
  h.BringUp();
  const auto pass = [&](int seconds_long, bool busy) {
    for (int i = 0; i < seconds_long; ++i) {
      h.Beat(0, 0, 1, false);
      h.Beat(0, 1, 5, busy);
      h.Pass(seconds(1), false);
    }
  };
  pass(20, false);  // idle, a frozen counter is right
  pass(7, true);    // it may have begun just after it said, a second before, that it was idle
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  pass(1, true);
  ExpectEnded(h, "stage 1: busy without progress");
}

TEST(Supervision, OpenRequestsAndNoProgressAnywhereEndTheJob) {
  CoreConfig config = SmallConfig();
  config.progress_timeout = seconds(8);
  CoreHarness h(config);
  h.BringUp();
  h.Pass(seconds(4));
  h.Arrive(1, 5);
  const auto pass = [&](int seconds_long) {
    for (int i = 0; i < seconds_long; ++i) {
      h.Beat(0, 0, 3, false);
      h.Beat(0, 1, 3, false);
      h.Pass(seconds(1), false);
    }
  };
  h.Beat(0, 0, 3, false);
  h.Beat(0, 1, 3, false);
  pass(7);
  h.Token(0, 0, 2, 1, 5);  // a token is progress
  pass(8);
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  pass(1);
  ExpectEnded(h, "with requests open");
}

TEST(Supervision, TheCoordinatorsOwnPauseIsForgiven) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Pass(seconds(1));
  h.now = h.now + seconds(60);
  h.Do1(Tick{});
  h.Pass(seconds(1), false);
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  h.Pass(seconds(3), false);
  ExpectEnded(h, "no heartbeat");
}

TEST(Supervision, AnIdlePipelineSingsAndOneThatDoesNotIsEnded) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Pass(milliseconds(9'999));
  EXPECT_THAT(h.Sent<to_worker::Admit>(0, 0), IsEmpty());
  h.Pass(milliseconds(1));
  ASSERT_EQ(h.Sent<to_worker::Admit>(0, 0).size(), 1U);
  const to_worker::OpenSequence open = h.Sent<to_worker::Admit>(0, 0)[0].open.at(0);
  EXPECT_EQ(open.request.max_tokens, 1);
  EXPECT_EQ(open.request.exit.mode, ExitMode::kOff);
  h.AnswerCanary();
  EXPECT_THAT(h.All<RequestTokens>(), IsEmpty()) << "nobody asked";
  h.Pass(seconds(10));
  EXPECT_EQ(h.Sent<to_worker::Admit>(0, 0).size(), 2U);
  h.Pass(seconds(10));
  EXPECT_TRUE(h.core.ready());
  h.Pass(milliseconds(1));
  ExpectEnded(h, "canary");
}

TEST(Supervision, BesideOtherWorkTheCanaryMayTakeItsTime) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Pass(seconds(10));  // the canary is out
  h.Arrive(1, 50);
  h.Pass(seconds(15));  // the counters move
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
}

TEST(Supervision, ABusyPipelineNeedsNoCanary) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Arrive(1, 50);
  h.actions.clear();
  h.Pass(seconds(20));
  EXPECT_THAT(h.Sent<to_worker::Admit>(0, 0), IsEmpty());
}

TEST(Supervision, WhatAWorkerSaysMayEndTheJob) {
  const auto ended = [](auto say) {
    CoreHarness h(SmallConfig());
    h.Do1(Tick{});
    h.Connect();
    h.Ready(0, 0, 10);
    say(&h);
    return h.All<EndPipeline>().empty() ? "" : h.All<EndPipeline>()[0].why;
  };
  EXPECT_THAT(ended([](CoreHarness* h) { h->From(0, 1, from_worker::Fatal{"no such tensor"}); }),
              HasSubstr("stage 1: no such tensor"));
  EXPECT_THAT(ended([](CoreHarness* h) {
                h->Do1(WorkerLost{0, 100, 1, "reset"});
              }),
              HasSubstr("stage 1: connection"));
  EXPECT_THAT(ended([](CoreHarness* h) { h->Ready(0, 1, 0); }), HasSubstr("too small"));
  EXPECT_THAT(ended([](CoreHarness* h) { h->Ready(0, 1, 1, 1); }), HasSubstr("too small"));
  EXPECT_THAT(ended([](CoreHarness* h) { h->Ready(0, 1, 10, 32); }), HasSubstr("disagree"));
  EXPECT_EQ(ended([](CoreHarness* h) { h->Ready(0, 1, 10); }), "");
}

TEST(Supervision, AnEndedJobThatDoesNotExitIsReplacedAllTheSame) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Do1(WorkerLost{0, 100, 1, "reset"});
  h.Pass(milliseconds(29'999), false);
  EXPECT_EQ(State(h), PipelineState::kEnding);
  h.Pass(seconds(2), false);
  EXPECT_EQ(h.epoch, 101U);
  h.Do1(PipelineExited{0, 100, "late"});
  EXPECT_EQ(State(h), PipelineState::kStarting);
}

TEST(Supervision, AFailureTakesDownOneReplicaOnly) {
  CoreConfig config = SmallConfig();
  config.pipelines = 2;
  CoreHarness h(config);
  h.BringUp();
  h.Arrive(1, 5);
  h.Arrive(1, 5);
  h.Do1(PipelineExited{0, h.EpochOf(0), "signal 9"});
  EXPECT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_TRUE(h.core.ready());
  h.actions.clear();
  h.Arrive(1, 5);
  EXPECT_EQ(h.All<RequestAdmitted>().at(0).pipeline, 1U);
  EXPECT_NE(h.EpochOf(0), h.EpochOf(1)) << "epochs are unique over the replicas";
}

}  // namespace
}  // namespace exeunt::coordinator
