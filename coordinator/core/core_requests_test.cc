// Order of tokens and ends of requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/testing/core_harness.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<int32_t> Tokens(const CoreHarness& h) {
  std::vector<int32_t> tokens;
  for (const auto& action : h.All<RequestTokens>()) {
    for (const auto& event : action.tokens) tokens.push_back(event.token);
  }
  return tokens;
}

TEST(CoreRequests, OpensTheSequenceAtStage0AndRingsTheOthers) {
  CoreConfig config = FourPlaces();
  config.stages = 3;
  CoreHarness h(config);
  h.BringUp();
  SequenceRequest record;
  record.prompt = {4, 5, 6};
  record.max_tokens = 9;
  record.sampling = {
      .temperature = 0.5F, .top_p = 0.25F, .top_k = 3, .min_p = 0.125F, .seed = 99, .choice = 2};
  record.sampling.n_logprobs = 4;
  record.exit.mode = ExitMode::kPropagate;
  record.exit.measure = ExitMeasure::kForced;
  record.exit.threshold = 0.75F;
  record.exit.min_layer = 6;
  record.exit.decay = ExitDecay{.tau = 2.0F, .n = 64};
  record.exit.forced = {{.layer = 12, .probability = 0.5F}};
  record.end_tokens = {2, 3};
  h.Do1(RequestArrived{77, record});

  const auto admits = h.Sent<to_worker::Admit>(0, 0);
  ASSERT_EQ(admits.size(), 1U);
  ASSERT_EQ(admits[0].open.size(), 1U);
  const to_worker::OpenSequence& open = admits[0].open.at(0);
  EXPECT_EQ(open.sequence, 2U) << "the canary was 1";
  EXPECT_THAT(open.request.prompt, ElementsAre(4, 5, 6));
  EXPECT_THAT(open.request.end_tokens, ElementsAre(2, 3));
  EXPECT_EQ(open.request.max_tokens, 9);
  EXPECT_EQ(open.request.sampling.temperature, 0.5F);
  EXPECT_EQ(open.request.sampling.top_p, 0.25F);
  EXPECT_EQ(open.request.sampling.top_k, 3);
  EXPECT_EQ(open.request.sampling.min_p, 0.125F);
  EXPECT_EQ(open.request.sampling.seed, 99U);
  EXPECT_EQ(open.request.sampling.choice, 2U);
  EXPECT_EQ(open.request.sampling.n_logprobs, 4);
  EXPECT_EQ(open.request.exit.mode, ExitMode::kPropagate);
  EXPECT_EQ(open.request.exit.measure, ExitMeasure::kForced);
  EXPECT_EQ(open.request.exit.threshold, 0.75F);
  EXPECT_EQ(open.request.exit.min_layer, 6);
  EXPECT_EQ(open.request.exit.decay->tau, 2.0F);
  EXPECT_EQ(open.request.exit.decay->n, 64);
  EXPECT_EQ(open.request.exit.forced.at(0).layer, 12);
  EXPECT_EQ(open.request.exit.forced.at(0).probability, 0.5F);
  for (uint32_t rank = 1; rank < 3; ++rank) {
    const auto bells = h.Sent<to_worker::Doorbell>(0, rank);
    ASSERT_EQ(bells.size(), 1U);
    EXPECT_EQ(bells[0].opened, 2U);
    EXPECT_THAT(h.Sent<to_worker::Admit>(0, rank), IsEmpty());
  }
  EXPECT_EQ(h.All<RequestAdmitted>().at(0).id, 77U);
}

TEST(CoreRequests, TokensComeOutInOrderWithoutGapsOnce) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(3, 4);
  const uint64_t seq = 2;
  h.Token(0, 1, seq, 4, 11);
  EXPECT_THAT(Tokens(h), IsEmpty());
  h.Token(0, 0, seq, 3, 10);
  EXPECT_THAT(Tokens(h), ElementsAre(10, 11));
  h.Token(0, 0, seq, 3, 99);                    // doubled
  h.Token(0, 0, seq, 4, 99);                    // doubled
  h.Token(0, 0, seq, 5, 99, /*generation=*/1);  // another generation
  h.Token(0, 0, seq, 2, 99);                    // of the prompt
  h.Token(0, 0, seq, 7, 99);                    // past max_tokens
  h.Token(0, 0, 55, 5, 99);                     // no such sequence
  EXPECT_THAT(Tokens(h), ElementsAre(10, 11));
  EXPECT_EQ(h.core.stale_events(), 6U);
  h.Token(0, 1, seq, 6, 13);
  h.Token(0, 1, seq, 6, 98);  // doubled while it waits
  h.Token(0, 0, seq, 5, 12);
  EXPECT_THAT(Tokens(h), ElementsAre(10, 11, 12, 13));
}

TEST(CoreRequests, FinishesWhenEveryTokenIsThere) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(3, 4);
  h.Token(0, 0, 2, 3, 10);
  h.Finished(0, 2, 2, EndReason::kStop);
  EXPECT_THAT(h.All<RequestFinished>(), IsEmpty()) << "a token is still on its way";
  h.Token(0, 1, 2, 4, 11);
  const auto finished = h.All<RequestFinished>();
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].id, id);
  EXPECT_EQ(finished[0].reason, EndReason::kStop);
  EXPECT_EQ(finished[0].tokens, 2U);
  EXPECT_TRUE(std::holds_alternative<RequestFinished>(h.actions.back())) << "tokens come before the end";
}

TEST(CoreRequests, FinishMayComeLast) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(3, 1);
  h.Token(0, 0, 2, 3, 10);
  EXPECT_THAT(h.All<RequestFinished>(), IsEmpty());
  h.Finished(0, 2, 1);
  ASSERT_EQ(h.All<RequestFinished>().size(), 1U);
  EXPECT_EQ(h.All<RequestFinished>()[0].reason, EndReason::kLength);
  h.Finished(0, 2, 1);
  EXPECT_EQ(h.All<RequestFinished>().size(), 1U);
}

TEST(CoreRequests, OnlyStage0MayFinish) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(3, 1);
  h.Token(0, 0, 2, 3, 10);
  h.Finished(0, 2, 1, EndReason::kLength, /*rank=*/1);
  EXPECT_THAT(h.All<RequestFinished>(), IsEmpty());
}

TEST(CoreRequests, PagesAreFreeWhenEveryStageHasClosed) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(16, 1);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 2U) << "17 positions in pages of 16";
  h.Token(0, 0, 2, 16, 10);
  h.Finished(0, 2, 1);
  h.Closed(0, 0, 2);
  h.Closed(0, 0, 2);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 2U);
  h.Closed(0, 1, 2);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 0U);
  EXPECT_TRUE(h.core.replicas()[0].sequences.empty());
}

TEST(CoreRequests, CancelOfARunningRequestIsIdempotent) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(1, 9);
  h.Token(0, 0, 2, 1, 10);
  h.actions.clear();
  h.Do1(ClientGone{id});
  h.Do1(ClientGone{id});
  h.Do1(StopRequest{id});
  ASSERT_EQ(h.Sent<to_worker::Cancel>(0, 0).size(), 1U);
  EXPECT_THAT(h.Sent<to_worker::Cancel>(0, 0)[0].sequences, ElementsAre(2U));
  const auto finished = h.All<RequestFinished>();
  ASSERT_EQ(finished.size(), 1U);
  EXPECT_EQ(finished[0].reason, EndReason::kCancelled);
  EXPECT_EQ(finished[0].tokens, 1U);
  h.Token(0, 0, 2, 2, 11);  // overran
  h.Finished(0, 2, 2, EndReason::kCancelled);
  h.CloseEverywhere(0, 2);
  EXPECT_THAT(h.All<RequestTokens>(), IsEmpty());
  EXPECT_EQ(h.All<RequestFinished>().size(), 1U);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 0U);
}

// A later stage had reported a token before stage 0, which took the cancel first, counted.
TEST(CoreRequests, ACancelMayCountFewerTokensThanLaterStagesReported) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(1, 9);
  h.Token(0, 1, 2, 1, 10);
  h.Do1(ClientGone{id});
  h.Finished(0, 2, 0, EndReason::kCancelled);
  h.CloseEverywhere(0, 2);
  EXPECT_EQ(h.core.replicas()[0].pipeline.restarts(), 0U);
  EXPECT_EQ(h.core.replicas()[0].pipeline.state(), PipelineState::kReady);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 0U);
}

TEST(CoreRequests, ACancelMayOvertakeTokens) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(1, 9);
  h.Do1(ClientGone{id});
  h.Token(0, 1, 2, 1, 10);
  h.Token(0, 1, 2, 2, 11);  // on its way to stage 0 when the cancel came there
  h.Finished(0, 2, 1, EndReason::kCancelled);
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  h.CloseEverywhere(0, 2);
  EXPECT_TRUE(h.core.replicas()[0].sequences.empty());
}

TEST(CoreRequests, CancelInTheStepOfTheAdmissionComesAfterIt) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  SequenceRequest record;
  record.prompt = {1};
  record.max_tokens = 1;
  std::vector<CoreEvent> events;
  events.emplace_back(RequestArrived{5, record});
  events.emplace_back(ClientGone{5});
  h.Do(std::move(events));
  std::vector<size_t> to_stage0;
  for (const auto& send : h.All<SendToWorker>()) {
    if (send.rank == 0) to_stage0.push_back(send.message.index());
  }
  EXPECT_THAT(to_stage0,
              ElementsAre(ToWorker(to_worker::Admit{}).index(), ToWorker(to_worker::Cancel{}).index()));
}

TEST(CoreRequests, AStopAfterTheWorkersOwnFinishSendsNoCancel) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(1, 2);
  h.Finished(0, 2, 2);
  h.Token(0, 0, 2, 1, 10);
  h.actions.clear();
  h.Do1(StopRequest{id});
  EXPECT_THAT(h.Sent<to_worker::Cancel>(0, 0), IsEmpty());
  EXPECT_EQ(h.All<RequestFinished>().size(), 1U);
}

TEST(CoreRequests, ABrokenPromiseOfTheWorkerEndsItsJob) {
  const auto ended = [](auto break_it) {
    CoreHarness h(FourPlaces());
    h.BringUp();
    h.Arrive(1, 2);
    break_it(&h);
    EXPECT_EQ(h.All<RequestFailed>().size(), 1U);
    return h.All<EndPipeline>().size();
  };
  EXPECT_EQ(ended([](CoreHarness* h) { h->Finished(0, 2, 3); }), 1U) << "more tokens than asked for";
  EXPECT_EQ(ended([](CoreHarness* h) {
              h->Token(0, 0, 2, 1, 10);
              h->Token(0, 0, 2, 2, 11);
              h->Finished(0, 2, 1);
            }),
            1U)
      << "fewer than it sent";
  EXPECT_EQ(ended([](CoreHarness* h) { h->CloseEverywhere(0, 2); }), 1U) << "closed and never finished";
}

TEST(CoreRequests, FinishesWhenTheScoresOfItsPromptAreHere) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(4, 1, 1);
  EXPECT_EQ(h.Sent<to_worker::Admit>(0, 0).at(0).open.at(0).request.score_from, 1);
  h.Scores(0, 1, 2, 1, 2);
  h.Token(0, 1, 2, 4, 9);
  h.Finished(0, 2, 1);
  EXPECT_THAT(h.All<RequestFinished>(), IsEmpty());
  h.Scores(0, 1, 2, 3, 1);
  ASSERT_EQ(h.All<RequestFinished>().size(), 1U);
  std::vector<int32_t> said;
  for (const RequestScores& scores : h.All<RequestScores>()) {
    EXPECT_EQ(scores.id, 1U);
    for (const PromptScore& score : scores.scores) said.push_back(score.token);
  }
  EXPECT_THAT(said, ElementsAre(1, 2, 3));
  h.CloseEverywhere(0, 2);
  h.Scores(0, 1, 2, 1, 1);
  EXPECT_EQ(h.core.stale_events(), 1U);
}

TEST(CoreRequests, ACancelledPromptOwesNoScores) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(4, 1, 1);
  h.Do1(ClientGone{1});
  EXPECT_EQ(h.All<RequestFinished>().size(), 1U);
  h.Scores(0, 1, 2, 1, 3);
  h.Finished(0, 2, 0, EndReason::kCancelled);
  h.CloseEverywhere(0, 2);
  EXPECT_THAT(h.All<RequestScores>(), IsEmpty());
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
}

TEST(CoreRequests, MoreScoresThanWereAskedForEndTheJob) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Arrive(4, 1, 1);
  h.Scores(0, 1, 2, 1, 4);
  ASSERT_EQ(h.All<EndPipeline>().size(), 1U);
  EXPECT_THAT(h.All<EndPipeline>()[0].why, HasSubstr("sequence 2 has 1 scores more than were asked for"));
}

// A request that stage 0 refuses fails with the reason; nothing else does, and its pages are free again.
TEST(CoreRequests, ARefusalEndsOneRequestAndNothingElse) {
  CoreConfig config = FourPlaces();
  config.stages = 3;
  CoreHarness h(config);
  h.BringUp();
  const RequestId wrong = h.Arrive(40, 4);
  const RequestId right = h.Arrive(3, 1);
  h.actions.clear();
  const from_worker::SequenceRefused refused{2, "prompt token 320 is outside [0, 320)"};
  h.From(0, 1, refused);  // only stage 0 decides
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
  h.From(0, 0, refused);
  const auto failed = h.All<RequestFailed>();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].id, wrong);
  EXPECT_EQ(failed[0].kind, FailureKind::kRefused);
  EXPECT_EQ(failed[0].message, "prompt token 320 is outside [0, 320)");
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  // The others no longer wait for it to be opened: two sequences were, the canary and the right one.
  for (uint32_t rank = 1; rank < 3; ++rank) {
    const auto bells = h.Sent<to_worker::Doorbell>(0, rank);
    ASSERT_EQ(bells.size(), 1U);
    EXPECT_EQ(bells[0].opened, 2U);
  }
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 1U);
  h.From(0, 0, refused);  // a repeat changes nothing
  h.Token(0, 2, 3, 3, 7);
  h.Finished(0, 3, 1);
  EXPECT_EQ(h.All<RequestFinished>().at(0).id, right);
  h.CloseEverywhere(0, 3);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 0U);
  EXPECT_TRUE(h.core.replicas()[0].sequences.empty());
  EXPECT_EQ(h.core.replicas()[0].pipeline.restarts(), 0U);
}

TEST(CoreRequests, ARefusalOfWhatNobodyWaitsForIsForgotten) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(3, 4);
  h.Do1(ClientGone{id});
  h.actions.clear();
  const from_worker::SequenceRefused refused{2, ""};
  h.From(0, 0, refused);
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
  EXPECT_TRUE(h.core.replicas()[0].sequences.empty());
}

TEST(CoreRequests, ARefusedCanaryEndsTheJob) {
  CoreHarness h(FourPlaces());
  h.Do1(Tick{});
  h.Connect();
  for (uint32_t rank = 0; rank < 2; ++rank) h.Ready(0, rank, 100);
  const from_worker::SequenceRefused refused{1, "prompt token 0 is outside [0, 0)"};
  h.From(0, 0, refused);
  ASSERT_EQ(h.All<EndPipeline>().size(), 1U);
  EXPECT_THAT(h.All<EndPipeline>()[0].why, HasSubstr("refused the canary: prompt token 0"));
}

}  // namespace
}  // namespace exeunt::coordinator
