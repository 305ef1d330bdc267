// The law with every stage on a thread of its own, as under mpirun: what is generated does not depend on
// timing. Run under TSan in CI.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"
#include "worker/process/logits_digest.h"

namespace exeunt {
namespace {

constexpr auto kDeadline = std::chrono::minutes(4);

Generated RunThreaded(const std::shared_ptr<const ModelSource>& source,
                      const worker::LocalPipelineOptions& options,
                      const std::vector<worker::SequenceSpec>& requests) {
  const auto owned = LawPipeline(source, options);
  worker::LocalPipeline& pipeline = *owned;
  std::mutex mutex;
  worker::StageOutputs all;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < pipeline.stages(); ++rank) {
    threads.emplace_back([&, rank] {
      worker::StageRunner& runner = pipeline.runner(rank);
      std::vector<worker::StageEvent> events;
      if (rank == 0) events.push_back(worker::AdmitSequences{requests});
      const TimePoint end = MonotonicNow() + kDeadline;
      while (runner.stage().opened() < requests.size() || !runner.Idle()) {
        worker::StageOutputs out;
        if (!runner.Turn(std::exchange(events, {}), &out)) std::this_thread::yield();
        CHECK_MSG(out.Health().has_value(), "{}", out.Health().error().message);
        CHECK_MSG(MonotonicNow() < end, "rank {} is not done within {} minutes", rank, kDeadline.count());
        std::lock_guard lock(mutex);
        std::move(out.tokens.begin(), out.tokens.end(), std::back_inserter(all.tokens));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::sort(all.tokens.begin(), all.tokens.end(),
            [](const worker::TokenOut& a, const worker::TokenOut& b) { return a.position < b.position; });
  Generated generated;
  for (const worker::TokenOut& t : all.tokens) {
    generated[t.sequence].push_back({t.token, t.exit_layer, worker::LogitsDigest(t.logits)});
  }
  return generated;
}

TEST(ThreadedLaw, TimingDoesNotMatter) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const auto requests = MakeRequests(
      {.count = 12, .seed = 31, .sampled = true, .exit = ForcedExits({{6, 0.3F}, {15, 0.2F}, {20, 0.1F}})},
      300);
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, 1);
  options.exit_layers = {6, 15, 20};
  options.kv_pages = 256;
  const Generated want = RunLaw(model, options, requests).generated;
  for (int stages : {2, 4}) {
    options.split = EvenSplit(30, stages);
    options.threads = stages == 2 ? 2 : 1;
    EXPECT_EQ(RunThreaded(model, options, requests), want) << stages << " stages";
  }
}

}  // namespace
}  // namespace exeunt
