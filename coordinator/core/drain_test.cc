// The end of a coordinator.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/core/testing/core_harness.h"

namespace exeunt::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;

CoreConfig SmallConfig() {
  CoreConfig config;
  config.stages = 2;
  config.first_epoch = 100;
  config.context_length = 1000;
  return config;
}

TEST(Drain, LetsRunningRequestsFinish) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Arrive(1, 1);
  h.Do1(Drain{});
  EXPECT_FALSE(h.core.ready());
  const RequestId late = h.Arrive(1, 1);
  EXPECT_EQ(h.All<RequestFailed>().at(0).id, late);
  EXPECT_EQ(h.All<RequestFailed>().at(0).kind, FailureKind::kShuttingDown);
  h.Pass(seconds(1));
  EXPECT_THAT(h.Sent<to_worker::Shutdown>(0, 0), IsEmpty());
  h.Token(0, 0, 2, 1, 5);
  h.Finished(0, 2, 1);
  EXPECT_EQ(h.All<RequestFinished>().size(), 1U);
  EXPECT_EQ(h.Sent<to_worker::Shutdown>(0, 0).size(), 1U);
  EXPECT_EQ(h.Sent<to_worker::Shutdown>(0, 1).size(), 1U);
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty()) << "they may go by themselves";
  h.Pass(seconds(3));
  EXPECT_EQ(h.All<EndPipeline>().size(), 1U);
  EXPECT_THAT(h.All<Drained>(), IsEmpty());
  h.Do1(PipelineExited{0, 100, "exit code 0"});
  EXPECT_EQ(h.core.replicas()[0].pipeline.state(), PipelineState::kStopped);
  EXPECT_EQ(h.All<Drained>().size(), 1U);
  h.Pass(seconds(60));
  EXPECT_EQ(h.All<Drained>().size(), 1U);
  EXPECT_THAT(h.All<StartPipeline>(), IsEmpty());
}

TEST(Drain, HasALimit) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Arrive(1, 5);
  h.Do1(Drain{});
  h.Pass(milliseconds(29'999));
  EXPECT_THAT(h.All<RequestFailed>(), IsEmpty());
  h.Pass(milliseconds(1));
  EXPECT_EQ(h.All<RequestFailed>().at(0).kind, FailureKind::kShuttingDown);
  h.Do1(PipelineExited{0, 100, "exit code 0"});
  EXPECT_EQ(h.All<Drained>().size(), 1U);
}

TEST(Drain, DuringBackoffEndsAtOnce) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Do1(PipelineExited{0, 100, "x"});
  h.Do1(Drain{});
  EXPECT_EQ(h.All<Drained>().size(), 1U);
}

TEST(Drain, WorkersThatGoAsToldAreNoFailure) {
  CoreHarness h(SmallConfig());
  h.BringUp();
  h.Do1(Drain{});
  h.Do1(WorkerLost{0, 100, 1, "end of file"});
  EXPECT_THAT(h.All<EndPipeline>(), IsEmpty());
  h.Do1(PipelineExited{0, 100, "exit code 0"});
  EXPECT_EQ(h.All<Drained>().size(), 1U);
}

}  // namespace
}  // namespace exeunt::coordinator
