// The order in which requests that wait are tried, by example; admission_queue_law_test.cc has the rules.
#include "coordinator/core/admission_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace exeunt::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::vector<RequestId> AdmitAll(AdmissionQueue* queue) {
  std::vector<RequestId> order;
  while (const auto head = queue->Head()) {
    order.push_back(*head);
    queue->Admit(*head);
  }
  return order;
}

TEST(AdmissionQueue, OneClientsRequestsComeInOrderOfArrival) {
  AdmissionQueue queue;
  for (const unsigned tokens : {50U, 1U, 20U}) queue.Push({queue.size() + 1, "a", 0, tokens});
  EXPECT_THAT(AdmitAll(&queue), ElementsAre(1, 2, 3));
  EXPECT_FALSE(queue.Head());
}

TEST(AdmissionQueue, ALowerPriorityComesFirst) {
  AdmissionQueue queue;
  queue.Push({1, "a", 0, 1});
  queue.Push({2, "a", 7, 1});
  queue.Push({3, "b", -7, 100});
  queue.Push({4, "a", -7, 100});
  EXPECT_THAT(queue.SizeByPriority(), ElementsAre(Pair(-7, 2), Pair(0, 1), Pair(7, 1)));
  EXPECT_THAT(AdmitAll(&queue), ElementsAre(3, 4, 1, 2));
}

TEST(AdmissionQueue, ClientsShareByTokens) {
  AdmissionQueue queue;
  for (RequestId id = 1; id <= 3; ++id) queue.Push({id, "long", 0, 30});
  for (RequestId id = 4; id <= 9; ++id) queue.Push({id, "short", 0, 10});
  EXPECT_THAT(AdmitAll(&queue), ElementsAre(4, 5, 1, 6, 7, 8, 2, 9, 3));
}

// Nothing is kept of who does not wait, and yet nobody gains by waiting with one request at a time.
TEST(AdmissionQueue, WhoComesBackAtOnceGetsNoMoreThanOthers) {
  AdmissionQueue queue;
  RequestId id = 0;
  for (int i = 0; i < 100; ++i) queue.Push({++id, "patient", 0, 10});
  int returned = 0;
  for (int i = 0; i < 100; ++i) {
    if (queue.SizeOf("returning") == 0) queue.Push({++id, "returning", 0, 10});
    returned += *queue.Head() == id ? 1 : 0;
    queue.Admit(*queue.Head());
  }
  EXPECT_EQ(returned, 50);
}

TEST(AdmissionQueue, WhoLeavesWithoutAPlaceIsNotCharged) {
  AdmissionQueue queue;
  queue.Push({1, "a", 0, 1000});
  queue.Push({2, "a", 0, 10});
  queue.Push({3, "b", 0, 10});
  queue.Remove(1);
  EXPECT_THAT(AdmitAll(&queue), ElementsAre(2, 3));
}

TEST(AdmissionQueue, ThePromotedComeFirstAndShareToo) {
  AdmissionQueue queue;
  for (RequestId id = 1; id <= 3; ++id) queue.Push({id, "a", 100, 10});
  queue.Push({4, "b", 50, 10});
  queue.Push({5, "c", -100, 10});
  for (const unsigned id : {1U, 2U, 4U, 1U}) queue.Promote(id);
  EXPECT_THAT(queue.SizeByPriority(), ElementsAre(Pair(-100, 1), Pair(50, 1), Pair(100, 3)));
  EXPECT_THAT(AdmitAll(&queue), ElementsAre(1, 4, 2, 5, 3));
}

TEST(AdmissionQueue, AHeldHeadStaysAndOnlySmallOnesMayPass) {
  AdmissionQueue queue;
  queue.Push({1, "a", 0, 800});
  EXPECT_THAT(queue.Passers(), IsEmpty());
  queue.Hold();
  queue.Push({2, "b", 0, 100});
  queue.Push({3, "c", 0, 101});
  queue.Push({4, "a", 0, 50});
  queue.Push({5, "d", 1, 1});
  EXPECT_EQ(queue.Head(), 1U);
  EXPECT_THAT(queue.Passers(), ElementsAre(2, 4)) << "and none of another priority";
  for (RequestId id = 6; id <= 15; ++id) queue.Push({id, "b", 0, 10});
  for (uint32_t i = 0; i < AdmissionQueue::kMaxPasses; ++i) {
    EXPECT_EQ(queue.Head(), 1U);
    ASSERT_FALSE(queue.Passers().empty()) << i;
    queue.Admit(queue.Passers()[0]);
  }
  EXPECT_THAT(queue.Passers(), IsEmpty());
  queue.Push({16, "z", -1, 800});
  EXPECT_EQ(queue.Head(), 16U) << "a lower priority value comes first all the same";
  queue.Admit(16);
  queue.Admit(1);
  queue.Push({17, "z", 0, 800});
  EXPECT_NE(queue.Head(), 17U);
}

TEST(AdmissionQueue, TheSurplusIsTheNewestAndLeastUrgentOfWhomHasTheMost) {
  AdmissionQueue queue;
  queue.Push({1, "many", 5, 1});
  queue.Push({2, "many", 5, 1});
  queue.Push({3, "many", 0, 1});
  queue.Push({4, "few", 9, 1});
  queue.Push({5, "few", 9, 1});
  EXPECT_EQ(queue.Surplus(), 2U);
  queue.Promote(2);
  EXPECT_EQ(queue.Surplus(), 1U);
  queue.Remove(1);
  queue.Remove(3);
  EXPECT_EQ(queue.Surplus(), 5U);
  EXPECT_EQ(queue.Oldest(), 2U);
}

}  // namespace
}  // namespace exeunt::coordinator
