// Sequences that a stage has failed: their requests end, and nobody shares their K/V.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/testing/core_harness.h"

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kFirst = 2;  // the canary was 1

// Two requests with the same prompt of 40 tokens: two whole pages of 16 may be shared.
SequenceRequest Prompt40() {
  SequenceRequest record;
  record.prompt.assign(40, 9);
  record.max_tokens = 4;
  return record;
}

to_worker::OpenSequence LastOpened(const CoreHarness& h) {
  const auto admits = h.Sent<to_worker::Admit>(0, 0);
  return admits.back().open.back();
}

TEST(CoreFailedSequences, TheRequestFailsWithTheCauseAndIsCancelledAtStage0) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId wrong = h.Arrive(3, 4);
  const RequestId right = h.Arrive(3, 1);
  h.Token(0, 1, kFirst, 3, 10);
  h.actions.clear();
  h.Failed(0, 1, kFirst, "out of memory for its states");
  const auto failed = h.All<RequestFailed>();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].id, wrong);
  EXPECT_EQ(failed[0].kind, FailureKind::kStageFailed);
  EXPECT_EQ(failed[0].message, "stage 1 failed to compute the request: out of memory for its states");
  const auto cancels = h.Sent<to_worker::Cancel>(0, 0);
  ASSERT_EQ(cancels.size(), 1U);
  EXPECT_THAT(cancels[0].sequences, ElementsAre(kFirst));

  h.Failed(0, 0, kFirst, "it shares K/V with sequence 9, which failed");  // another stage says so, too
  h.Token(0, 1, kFirst, 4, 11);
  h.Finished(0, kFirst, 2, EndReason::kCancelled);
  h.Closed(0, 0, kFirst);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 2U) << "a stage holds its page yet";
  h.Closed(0, 1, kFirst);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 1U);
  EXPECT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.Sent<to_worker::Cancel>(0, 0).size(), 1U);
  EXPECT_THAT(h.All<RequestTokens>(), IsEmpty());
  h.Token(0, 1, kFirst + 1, 3, 7);
  h.Finished(0, kFirst + 1, 1);
  EXPECT_EQ(h.All<RequestFinished>().at(0).id, right);
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
}

TEST(CoreFailedSequences, ItsPromptIsNotSharedAndWhatItLeavesIsEvicted) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Do1(RequestArrived{51, Prompt40()});
  EXPECT_EQ(LastOpened(h).retain_tokens, 32U);
  h.Do1(RequestArrived{52, Prompt40()});
  EXPECT_EQ(LastOpened(h).shared.sequence, kFirst) << "before the failure it is shared";
  h.Failed(0, 1, kFirst, "device error");
  h.Do1(RequestArrived{53, Prompt40()});
  EXPECT_EQ(LastOpened(h).shared.sequence, 0U);
  EXPECT_EQ(LastOpened(h).retain_tokens, 32U);
  h.Finished(0, kFirst, 0, EndReason::kCancelled, /*rank=*/0, /*retained=*/true);
  h.Failed(0, 1, kFirst + 2, "device error");
  h.Do1(RequestArrived{54, Prompt40()});
  EXPECT_EQ(LastOpened(h).shared.sequence, 0U) << "what stage 0 retains is of no use";
  h.Closed(0, 0, kFirst);
  EXPECT_THAT(h.Sent<to_worker::Evict>(0, 0), IsEmpty()) << "not before every stage has closed it";
  h.Closed(0, 1, kFirst);
  const auto evicts = h.Sent<to_worker::Evict>(0, 0);
  ASSERT_EQ(evicts.size(), 1U);
  EXPECT_THAT(evicts[0].sequences, ElementsAre(kFirst));
  EXPECT_EQ(h.core.replicas()[0].ledger.cached_pages(), 0U);
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
}

// Its tokens are complete, and a fill of it fails afterwards.
TEST(CoreFailedSequences, AFailureAfterTheAnswerConcernsOnlyThePrefix) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  h.Do1(RequestArrived{51, Prompt40()});
  for (uint32_t i = 0; i < 4; ++i) h.Token(0, 0, kFirst, 40 + i, 7);
  h.Finished(0, kFirst, 4, EndReason::kLength, /*rank=*/0, /*retained=*/true);
  ASSERT_EQ(h.All<RequestFinished>().size(), 1U);
  h.Failed(0, 1, kFirst, "device error");
  h.Do1(RequestArrived{52, Prompt40()});
  EXPECT_EQ(LastOpened(h).shared.sequence, 0U);
  h.CloseEverywhere(0, kFirst);
  EXPECT_EQ(h.Sent<to_worker::Evict>(0, 0).size(), 1U);
  EXPECT_THAT(h.Sent<to_worker::Cancel>(0, 0), IsEmpty());
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
}

// The scores of its prompt do not come any more.
TEST(CoreFailedSequences, AFailureBehindTheLastTokenEndsARequestThatWaitsForScores) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(4, 1, 1);
  h.Token(0, 1, kFirst, 4, 9);
  h.Finished(0, kFirst, 1);
  h.Failed(0, 1, kFirst, "device error");
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].id, id);
  EXPECT_THAT(h.Sent<to_worker::Cancel>(0, 0), IsEmpty()) << "stage 0 is through with it";
  h.CloseEverywhere(0, kFirst);
  EXPECT_TRUE(h.core.replicas()[0].sequences.empty());
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
}

TEST(CoreFailedSequences, OneThatNobodyWaitsForOrThatIsClosedIsForgotten) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  const RequestId id = h.Arrive(3, 4);
  h.Do1(ClientGone{id});
  h.Failed(0, 1, kFirst, "device error");
  EXPECT_EQ(h.Sent<to_worker::Cancel>(0, 0).size(), 1U) << "the client's";
  h.Finished(0, kFirst, 0, EndReason::kCancelled);
  h.CloseEverywhere(0, kFirst);
  h.Failed(0, 1, kFirst, "device error");
  EXPECT_EQ(h.core.stale_events(), 1U);
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
}

TEST(CoreFailedSequences, AFailedCanaryEndsTheJob) {
  CoreHarness h(FourPlaces());
  h.Do1(Tick{});
  h.Connect();
  for (uint32_t rank = 0; rank < 2; ++rank) h.Ready(0, rank, 100);
  h.Failed(0, 1, 1, "out of memory for its states");
  ASSERT_EQ(h.All<EndPipeline>().size(), 1U);
  EXPECT_THAT(h.All<EndPipeline>()[0].why, HasSubstr("stage 1 failed the canary: out of memory"));
}

}  // namespace
}  // namespace exeunt::coordinator
