#include "backend/oracle/oracle_executor.h"

#include <gtest/gtest.h>

#include "backend/conformance/executor_conformance.h"
#include "backend/testing/late_executor.h"
#include "base/error.h"

namespace exeunt {
namespace {

constexpr int kLayers = 6;

TEST(OracleExecutorTest, KeepsTheContractOfExecutorsAtAnyDepth) {
  for (const int depth : {1, 2, 3}) {
    TimePoint now;
    ConformanceSubject subject;
    subject.make = [&](int max_slots) {
      return std::make_unique<OracleExecutor>(
          OracleOptions{.n_layers = kLayers,
                        .vocab_size = 50,
                        .depth = depth,
                        .max_slots = max_slots,
                        .now = [&now] { return now; },
                        .cost = [](const Job&) { return std::chrono::microseconds(30); },
                        .copy = std::chrono::microseconds(70)});
    };
    subject.n_layers = kLayers;
    subject.vocab_size = 50;
    subject.exit_layer = 3;
    subject.measures = {ExitMeasure::kState, ExitMeasure::kClassifier, ExitMeasure::kPreview,
                        ExitMeasure::kCandidates};
    subject.pass_time = [&now] { now = now + std::chrono::microseconds(7); };
    RunExecutorConformance(subject);
  }
}

TEST(LateExecutorTest, KeepsTheContractOfExecutors) {
  ConformanceSubject subject;
  subject.make = [](int max_slots) {
    return std::make_unique<LateExecutor>(
        std::make_unique<OracleExecutor>(
            OracleOptions{.n_layers = kLayers, .vocab_size = 50, .depth = 2, .max_slots = max_slots}),
        5);
  };
  subject.n_layers = kLayers;
  subject.vocab_size = 50;
  subject.exit_layer = 3;
  subject.measures = {ExitMeasure::kPreview};
  RunExecutorConformance(subject);
}

TEST(OracleExecutorTest, JobsTakeTheirCostOneAfterTheOther) {
  TimePoint now;
  OracleExecutor executor({.n_layers = 1,
                           .depth = 2,
                           .now = [&now] { return now; },
                           .cost = [](const Job& job) { return std::chrono::seconds(job.id); }});
  EXPECT_FALSE(executor.NextDone().has_value());
  executor.Submit({2, SegmentJob{}});
  executor.Submit({3, SegmentJob{}});
  std::vector<JobDone> done;
  now = *executor.NextDone();
  EXPECT_EQ(now.since_start, std::chrono::seconds(2));
  executor.Poll(&done);
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].took, std::chrono::seconds(2));
  now = *executor.NextDone();
  EXPECT_EQ(now.since_start, std::chrono::seconds(5));
  executor.Poll(&done);
  EXPECT_EQ(done.size(), 2U);
}

TEST(OracleExecutorTest, ARowWithoutTheKvThatItAttendsToFailsItsJob) {
  OracleExecutor executor({.n_layers = 2, .vocab_size = 10});
  ASSERT_TRUE(executor.Reserve(4).has_value());
  const std::vector<int32_t> pages = {0};
  executor.Submit(
      {1, SegmentJob{.layer_begin = 0, .layer_end = 2, .embed = true, .run = {{0, 1, 3, &pages}}}});
  std::vector<JobDone> done;
  executor.Poll(&done);
  ASSERT_EQ(done.size(), 1U);
  ASSERT_FALSE(done[0].status.has_value());
  EXPECT_EQ(done[0].status.error().message,
            "the row at position 1 attends in layer 0 to position 0, which has no K/V");
}

TEST(OracleExecutorTest, AFaultIsTheJobsStatus) {
  OracleExecutor executor({.n_layers = 1, .fault = [](const Job& job) -> Status {
                             if (job.id == 2) return Unavailable("the device is lost");
                             return OkStatus();
                           }});
  std::vector<JobDone> done;
  for (uint64_t id = 1; id <= 2; ++id) {
    executor.Submit({id, HeadJob{}});
    executor.Poll(&done);
  }
  EXPECT_TRUE(done.at(0).status.has_value());
  EXPECT_EQ(done.at(1).status.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace exeunt
