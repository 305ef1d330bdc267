// Admission: who gets a place, in which order, and who has waited too long.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/testing/core_harness.h"
#include "coordinator/driver/control_messages.h"
#include "transport/control.pb.h"
#include "transport/control_limits.h"

namespace exeunt::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// One at a time, and many may wait.
CoreConfig OnePlace() {
  CoreConfig config = FourPlaces();
  config.max_sequences = 1;
  config.max_queue = 100;
  config.queue_timeout = seconds(20);
  return config;
}

std::vector<RequestId> Admitted(const CoreHarness& h) {
  std::vector<RequestId> ids;
  for (const RequestAdmitted& action : h.All<RequestAdmitted>()) ids.push_back(action.id);
  return ids;
}

// Ends what runs, the oldest sequence first, until nothing runs or waits.
void ServeAll(CoreHarness* h) {
  while (!h->core.replicas()[0].sequences.empty()) {
    const auto& [number, sequence] = *h->core.replicas()[0].sequences.begin();
    const uint64_t first = number;
    h->Do1(ClientGone{*sequence.request});
    h->CloseEverywhere(0, first);
  }
}

TEST(CoreAdmission, RefusesWhatCanNeverRun) {
  CoreHarness h(FourPlaces());
  h.BringUp(/*pages=*/10);
  h.Arrive(500, 501);
  h.Arrive(100, 61);
  const auto failed = h.All<RequestFailed>();
  ASSERT_EQ(failed.size(), 2U);
  EXPECT_EQ(failed[0].kind, FailureKind::kContextLength);
  EXPECT_THAT(failed[0].message, HasSubstr("1000 tokens"));
  EXPECT_EQ(failed[1].kind, FailureKind::kTooLarge);
  EXPECT_THAT(failed[1].message, HasSubstr("holds 160"));
  h.Arrive(100, 60);
  EXPECT_EQ(h.All<RequestFailed>().size(), 2U) << "just as large as the budget";
  EXPECT_EQ(h.All<RequestAdmitted>().size(), 1U);
}

TEST(CoreAdmission, CapacityIsTheSmallestStages) {
  CoreHarness h(FourPlaces());
  h.Do1(Tick{});
  h.Connect();
  h.Ready(0, 0, 50);
  h.Ready(0, 1, 3);
  EXPECT_EQ(h.core.replicas()[0].ledger.capacity_pages(), 3U);
}

TEST(CoreAdmission, QueuesInOrderUntilPagesAreFree) {
  CoreHarness h(FourPlaces());
  h.BringUp(/*pages=*/10);
  h.Arrive(1, 127);                         // 8 pages
  const RequestId large = h.Arrive(1, 63);  // 4: waits
  const RequestId small = h.Arrive(1, 8);   // 1: would fit, is too large to pass it
  EXPECT_EQ(h.All<RequestAdmitted>().size(), 1U);
  EXPECT_EQ(h.core.queued(), 2U);
  h.Arrive(1, 8);
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].kind, FailureKind::kQueueFull);
  h.Do1(ClientGone{1});
  EXPECT_EQ(h.core.queued(), 2U) << "a cancelled sequence keeps its pages until it is closed";
  h.CloseEverywhere(0, 2);
  const auto admitted = h.All<RequestAdmitted>();
  ASSERT_EQ(admitted.size(), 3U);
  EXPECT_EQ(admitted[1].id, large);
  EXPECT_EQ(admitted[2].id, small);
}

TEST(CoreAdmission, LimitsOpenSequences) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  for (int i = 0; i < 5; ++i) h.Arrive(1, 1);
  EXPECT_EQ(h.All<RequestAdmitted>().size(), 4U);
  EXPECT_EQ(h.core.queued(), 1U);
  EXPECT_EQ(h.core.running(), 4U);
}

TEST(CoreAdmission, AQueueOfNoneStillServes) {
  CoreConfig config = FourPlaces();
  config.max_queue = 0;
  CoreHarness h(config);
  h.BringUp();
  h.Arrive(1, 1);
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
}

TEST(CoreAdmission, WaitingHasALimit) {
  CoreHarness h(OnePlace());
  h.BringUp();
  h.Arrive(1, 1);
  const RequestId waiting = h.Arrive(1, 1);
  h.Pass(std::chrono::milliseconds(19'500));
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
  h.Pass(std::chrono::seconds(1));
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].id, waiting);
  EXPECT_EQ(h.All<RequestFailed>()[0].kind, FailureKind::kQueueTimeout);
}

TEST(CoreAdmission, CancelOfAWaitingRequestLeavesTheQueue) {
  CoreHarness h(OnePlace());
  h.BringUp();
  h.Arrive(1, 1);
  const RequestId waiting = h.Arrive(1, 1);
  h.actions.clear();
  h.Do1(ClientGone{waiting});
  EXPECT_EQ(h.core.queued(), 0U);
  ASSERT_EQ(h.All<RequestFinished>().size(), 1U);
  EXPECT_EQ(h.All<RequestFinished>()[0].tokens, 0U);
  EXPECT_THAT(h.All<SendToWorker>(), IsEmpty());
}

TEST(CoreAdmission, TakesTheLeastLoadedPipeline) {
  CoreConfig config = FourPlaces();
  config.pipelines = 2;
  CoreHarness h(config);
  h.BringUp();
  for (int i = 0; i < 4; ++i) h.Arrive(1, 20);
  std::vector<uint32_t> pipelines;
  for (const auto& action : h.All<RequestAdmitted>()) pipelines.push_back(action.pipeline);
  EXPECT_THAT(pipelines, ElementsAre(0, 1, 0, 1));
  EXPECT_EQ(h.core.replicas()[1].sequences.size(), 2U);
}

TEST(CoreAdmission, AdmissionsOfOneStepShareAMessage) {
  CoreHarness h(FourPlaces());
  h.BringUp();
  std::vector<CoreEvent> events;
  for (RequestId id = 1; id <= 3; ++id) {
    SequenceRequest record;
    record.prompt = {1};
    record.max_tokens = 1;
    events.emplace_back(RequestArrived{id, record});
  }
  h.Do(std::move(events));
  ASSERT_EQ(h.Sent<to_worker::Admit>(0, 0).size(), 1U);
  EXPECT_EQ(h.Sent<to_worker::Admit>(0, 0)[0].open.size(), 3U);
  ASSERT_EQ(h.Sent<to_worker::Doorbell>(0, 1).size(), 1U);
  EXPECT_EQ(h.Sent<to_worker::Doorbell>(0, 1)[0].opened, 4U);
}

TEST(CoreAdmission, PrioritiesComeInOrderAndClientsTakeTurns) {
  CoreHarness h(OnePlace());
  h.BringUp();
  const RequestId running = h.Arrive({.client = "a"}, 1, 1);
  const RequestId a1 = h.Arrive({.client = "a"}, 1, 1);
  const RequestId a2 = h.Arrive({.client = "a"}, 1, 1);
  const RequestId late = h.Arrive({.client = "b", .priority = 1}, 1, 1);
  const RequestId b1 = h.Arrive({.client = "b"}, 1, 1);
  const RequestId b2 = h.Arrive({.client = "b"}, 1, 1);
  const RequestId urgent = h.Arrive({.client = "a", .priority = -1}, 1, 1);
  ServeAll(&h);
  EXPECT_THAT(Admitted(h), ElementsAre(running, urgent, a1, b1, a2, b2, late));
}

TEST(CoreAdmission, WhoHasWaitedHalfTheLimitComesBeforeEveryPriority) {
  CoreHarness h(OnePlace());
  h.BringUp();
  h.Arrive({}, 1, 1);
  const RequestId patient = h.Arrive({.priority = kLastPriority}, 1, 1);
  h.Pass(milliseconds(9'500));
  const RequestId early = h.Arrive({.priority = kFirstPriority}, 1, 1);
  EXPECT_EQ(h.core.queue().Head(), early);
  h.Pass(milliseconds(500));
  EXPECT_EQ(h.core.queue().Head(), patient);
}

TEST(CoreAdmission, TheBackgroundIsNeverPromoted) {
  CoreHarness h(OnePlace());
  h.BringUp();
  h.Arrive({}, 1, 1);
  h.Arrive({.priority = kBackgroundPriority}, 1, 1);
  h.Pass(milliseconds(10'500));
  const RequestId last = h.Arrive({.priority = kLastPriority}, 1, 1);
  EXPECT_EQ(h.core.queue().Head(), last);
}

TEST(CoreAdmission, SmallRequestsPassALargeOneWithinBounds) {
  CoreConfig config = FourPlaces();
  config.max_queue = config.max_sequences = 100;
  CoreHarness h(config);
  h.BringUp(/*pages=*/40);
  h.Arrive({.client = "first"}, 1, 319);  // half of the pages
  const RequestId large = h.Arrive({.client = "large"}, 1, 639);
  const size_t before = Admitted(h).size();
  h.Arrive({.client = "medium"}, 1, 80);
  EXPECT_EQ(Admitted(h).size(), before) << "over an eighth of what it would pass";
  for (int i = 0; i < 30; ++i) h.Arrive({.client = "small" + std::to_string(i)}, 1, 15);
  EXPECT_EQ(Admitted(h).size(), before + AdmissionQueue::kMaxPasses);
  EXPECT_LE(h.core.replicas()[0].ledger.reserved_pages(), 30U) << "there would be room for more";
  while (Admitted(h).size() == before + AdmissionQueue::kMaxPasses) {
    const auto& [number, sequence] = *h.core.replicas()[0].sequences.begin();
    const uint64_t first = number;
    h.Do1(ClientGone{*sequence.request});
    h.CloseEverywhere(0, first);
  }
  EXPECT_EQ(Admitted(h)[before + AdmissionQueue::kMaxPasses], large);
}

TEST(CoreAdmission, NoneOfALowerPriorityPassesOneThatWaitsForPages) {
  CoreHarness h(OnePlace());
  h.BringUp(/*pages=*/10);
  h.Arrive(1, 159);
  h.Arrive(1, 159);
  h.Arrive({.priority = 1}, 1, 1);
  EXPECT_THAT(h.core.queue().Passers(), IsEmpty());
}

TEST(CoreAdmission, AFullQueueRefusesTheNewestOfWhomHasTheMost) {
  CoreConfig config = OnePlace();
  config.max_queue = 3;
  CoreHarness h(config);
  h.BringUp();
  h.Arrive({.client = "greedy"}, 1, 1);
  for (int i = 0; i < 3; ++i) h.Arrive({.client = "greedy"}, 1, 1);
  const RequestId modest = h.Arrive({.client = "modest"}, 1, 1);
  auto failed = h.All<RequestFailed>();
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_EQ(failed[0].id, modest - 1);
  EXPECT_EQ(failed[0].kind, FailureKind::kQueueFull);
  EXPECT_THAT(failed[0].message,
              HasSubstr("3 requests are waiting, 2 of them of this client; the limit is 3"));
  const RequestId more = h.Arrive({.client = "greedy"}, 1, 1);
  failed = h.All<RequestFailed>();
  ASSERT_EQ(failed.size(), 2U);
  EXPECT_EQ(failed[1].id, more);
}

TEST(CoreAdmission, ADeadlinePassesInTheQueue) {
  CoreHarness h(OnePlace());
  h.BringUp();
  h.Arrive(1, 1);
  const RequestId hasty = h.Arrive({.timeout = milliseconds(2'500)}, 1, 1);
  h.Arrive({.timeout = seconds(30)}, 1, 1);
  h.Pass(seconds(2));
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
  h.Pass(milliseconds(500));
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].id, hasty);
  EXPECT_EQ(h.All<RequestFailed>()[0].kind, FailureKind::kDeadline);
  EXPECT_THAT(h.All<RequestFailed>()[0].message, HasSubstr("'timeout' of 2.5 s passed while it waited"));
  h.Pass(seconds(18));
  ASSERT_EQ(h.All<RequestFailed>().size(), 2U);
  EXPECT_EQ(h.All<RequestFailed>()[1].kind, FailureKind::kQueueTimeout) << "the queue's limit comes first";
}

TEST(CoreAdmission, ADeadlineEndsWhatRunsAsACancelDoes) {
  CoreHarness h(OnePlace());
  h.BringUp();
  const RequestId id = h.Arrive({.timeout = seconds(30)}, 1, 9);
  h.Token(0, 0, 2, 1, 10);
  h.Pass(milliseconds(29'500));
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty()) << "the queue's limit is for the queue";
  h.Pass(milliseconds(500));
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].id, id);
  EXPECT_EQ(h.All<RequestFailed>()[0].kind, FailureKind::kDeadline);
  ASSERT_EQ(h.Sent<to_worker::Cancel>(0, 0).size(), 1U);
  EXPECT_THAT(h.Sent<to_worker::Cancel>(0, 0)[0].sequences, ElementsAre(2U));
  h.Token(0, 0, 2, 2, 11);  // overran
  h.Finished(0, 2, 2, EndReason::kCancelled);
  h.CloseEverywhere(0, 2);
  EXPECT_EQ(h.All<RequestTokens>().size(), 1U);
  EXPECT_EQ(h.core.replicas()[0].ledger.reserved_pages(), 0U);
  EXPECT_EQ(h.core.running(), 0U);
}

TEST(CoreAdmission, ADeadlineThatWasMetIsForgotten) {
  CoreHarness h(OnePlace());
  h.BringUp();
  h.Arrive({.timeout = seconds(5)}, 1, 1);
  ServeAll(&h);
  h.Pass(seconds(6));
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
}

TEST(CoreAdmission, LooksForAPlaceOnlyWhenSomethingHasChanged) {
  CoreHarness h(OnePlace());
  h.BringUp(/*pages=*/10);
  h.Arrive(1, 99);
  h.Arrive(1, 99);
  const uint64_t sought = h.core.places_sought();
  for (uint32_t i = 0; i < 50; ++i) h.Token(0, 0, 2, 1 + i, 7);
  h.Pass(seconds(5));
  EXPECT_EQ(h.core.places_sought(), sought);
  h.Do1(ClientGone{1});
  EXPECT_EQ(h.core.places_sought(), sought) << "its pages are not free yet";
  h.CloseEverywhere(0, 2);
  EXPECT_EQ(h.core.places_sought(), sought + 1);
  EXPECT_EQ(h.core.queued(), 0U);
}

TEST(CoreAdmission, APromptLongerThanAMessageTakesIsRefused) {
  CoreConfig config = FourPlaces();
  config.context_length = 1U << 30;
  CoreHarness h(config);
  h.BringUp(1 << 20);
  h.Arrive(transport::kMaxPromptTokens, 1);
  EXPECT_TRUE(h.All<RequestFailed>().empty());
  h.Arrive(transport::kMaxPromptTokens + 1, 1);
  ASSERT_EQ(h.All<RequestFailed>().size(), 1U);
  EXPECT_EQ(h.All<RequestFailed>()[0].kind, FailureKind::kContextLength);
  EXPECT_THAT(h.All<RequestFailed>()[0].message,
              testing::HasSubstr("3145729 tokens; a sequence takes at most 3145728"));
  // What is admitted fits into a message.
  const auto admits = h.Sent<to_worker::Admit>(0, 0);
  ASSERT_EQ(admits.size(), 1U);
  EXPECT_LT(ToProto(admits[0]).ByteSizeLong(), transport::kMaxControlMessageBytes);
}

}  // namespace
}  // namespace exeunt::coordinator
