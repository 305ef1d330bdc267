// A pipeline whose executors take two jobs at once and show late what is done generates what one generates whose jobs are
// done at once.
#include <gtest/gtest.h>

#include "backend/testing/late_executor.h"
#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

TEST(LateLaw, LateJobsAndCopiesChangeNothing) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const auto requests = MakeRequests(
      {.count = 24, .seed = 77, .sampled = true, .exit = ForcedExits({{6, 0.3F}, {15, 0.2F}, {20, 0.1F}})},
      300);
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, 1);
  options.exit_layers = {6, 15, 20};
  options.kv_pages = 256;
  const Generated want = RunLaw(model, options, requests).generated;
  for (const int stages : {1, 2, 5}) {
    for (const uint64_t seed : {uint64_t{1}, uint64_t{2}}) {
      options.split = EvenSplit(30, stages);
      options.wrap_executor = [seed](std::unique_ptr<Executor> e) -> std::unique_ptr<Executor> {
        return std::make_unique<LateExecutor>(std::move(e), seed);
      };
      const LawRun run = RunLaw(model, options, requests, {.staggered = true, .seed = seed});
      EXPECT_EQ(run.generated, want) << stages << " stages";
    }
  }
}

}  // namespace
}  // namespace exeunt
