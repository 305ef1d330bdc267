// Invariants [1], [2], [4] and [7] of docs/design.md over loopback: what a request yields does not depend on
// anything but the request.
#include <gtest/gtest.h>

#include <random>

#include "costs/layer_split.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

worker::LocalPipelineOptions Options(std::vector<LayerSpan> split,
                                     std::vector<int> exit_layers = {6, 10, 15, 20, 26}) {
  worker::LocalPipelineOptions options;
  options.split = std::move(split);
  options.exit_layers = std::move(exit_layers);
  options.kv_pages = 256;
  return options;
}

worker::LocalPipelineOptions Stages(int n) { return Options(EvenSplit(30, n)); }

ExitSetting Softmax(float threshold) {
  ExitSetting setting;
  setting.mode = ExitMode::kPropagate;
  setting.measure = ExitMeasure::kSoftmax;
  setting.threshold = threshold;
  return setting;
}

const ExitSetting kForcedMix = ForcedExits({{6, 0.3F}, {10, 0.15F}, {15, 0.2F}, {26, 0.1F}});

std::shared_ptr<const ModelSource> Tiny(DType dtype = DType::kQ4_1) { return RandomModel(TinyThirty(dtype)); }

size_t ExitsBelow(const LawRun& run, int layer) {
  size_t n = 0;
  for (const auto& [id, tokens] : run.generated) {
    for (const auto& t : tokens) n += t.exit_layer < layer ? 1 : 0;
  }
  return n;
}

TEST(PipelineLaw, AnyNumberOfStagesAndAnySplitGiveTheSameBits) {
  for (const DType dtype : {DType::kF32, DType::kQ8_0, DType::kQ4_1, DType::kQ5_1, DType::kIQ4_NL}) {
    const auto model = Tiny(dtype);
    const auto requests = MakeRequests({.count = 6, .seed = 5, .exit = kForcedMix}, 300);
    const LawRun want = RunLaw(model, Stages(1), requests);
    ASSERT_GT(ExitsBelow(want, 30), 5U);
    for (int stages : {2, 3, 4, 30}) {
      EXPECT_EQ(RunLaw(model, Stages(stages), requests).generated, want.generated) << stages << " stages";
    }
    for (const auto& split : std::vector<std::vector<LayerSpan>>{{{0, 1}, {1, 30}},
                                                                 {{0, 29}, {29, 30}},
                                                                 {{0, 6}, {6, 7}, {7, 26}, {26, 30}},
                                                                 {{0, 11}, {11, 13}, {13, 30}}}) {
      EXPECT_EQ(RunLaw(model, Options(split), requests).generated, want.generated);
    }
  }
}

TEST(PipelineLaw, BatchNeighboursChunksThreadsAndInstructionSetsDoNotMatter) {
  const auto model = Tiny();
  const auto requests = MakeRequests({.count = 32, .seed = 9, .sampled = true, .exit = kForcedMix}, 300);
  worker::LocalPipelineOptions reference = Stages(2);
  reference.backend = MakeCpuBackend({.isa = cpu::Isa::kScalar});
  const LawRun want = RunLaw(model, reference, requests);
  for (const auto& request : requests) {  // alone
    const LawRun alone = RunLaw(model, Stages(1), {request});
    ASSERT_EQ(alone.generated.at(request.sequence), want.generated.at(request.sequence));
  }
  for (cpu::Isa isa : cpu::SupportedIsas()) {
    for (int threads : {1, 2}) {
      for (int chunk : {1, 7, 500}) {
        if (isa == cpu::Isa::kScalar && threads == 2 && chunk == 1)
          continue;  // slow, and covered by the others
        worker::LocalPipelineOptions options = Stages(3);
        options.backend = MakeCpuBackend({.isa = isa});
        options.threads = threads;
        options.prefill_chunk_tokens = chunk;
        options.max_batch_rows = chunk == 7 ? 9 : 512;
        EXPECT_EQ(RunLaw(model, options, requests).generated, want.generated)
            << cpu::IsaName(isa) << ", " << threads << " threads, chunks of " << chunk;
      }
    }
  }
}

TEST(PipelineLaw, RandomArrivalsAndCancelsDoNotChangeWhatOthersGet) {
  const auto model = Tiny();
  const uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  for (const ExitSetting& exit : {ExitSetting{}, kForcedMix, Softmax(0.02F)}) {
    const auto requests = MakeRequests({.count = 20, .seed = seed, .exit = exit}, 300);
    const LawRun want = RunLaw(model, Stages(1), requests);
    for (int stages : {1, 2, 4}) {
      const LawRun got = RunLaw(model, Stages(stages), requests, {true, seed + 1, 0.1});
      int cancelled = 0;
      for (const auto& [id, finish] : got.finished) {
        const auto& all = want.generated.at(id);
        const auto it = got.generated.find(id);
        const size_t n = it == got.generated.end() ? 0 : it->second.size();
        if (finish.reason == EndReason::kCancelled) {
          ++cancelled;
          ASSERT_LE(n, all.size());
        } else {
          ASSERT_EQ(n, all.size());
        }
        for (size_t i = 0; i < n; ++i)
          ASSERT_EQ(it->second[i], all[i]) << "sequence " << id << " token " << i;
      }
      EXPECT_GT(cancelled, 0);
    }
  }
}

TEST(PipelineLaw, RealExitMeasuresGiveTheSameBitsOnAnySplit) {
  const auto model = Tiny();
  for (const ExitMeasure measure : {ExitMeasure::kSoftmax, ExitMeasure::kState}) {
    ExitSetting exit = Softmax(measure == ExitMeasure::kSoftmax ? 0.01F : 0.98F);
    exit.measure = measure;
    exit.min_layer = 10;
    exit.decay = ExitDecay{4.0F, 64};
    const auto requests = MakeRequests({.count = 8, .seed = 3, .exit = exit}, 300);
    const LawRun want = RunLaw(model, Stages(1), requests);
    // The measure decides: some tokens leave, some stay, none before the minimum layer.
    EXPECT_GT(ExitsBelow(want, 30), 0U);
    EXPECT_LT(ExitsBelow(want, 30), ExitsBelow(want, 31));
    EXPECT_EQ(ExitsBelow(want, 10), 0U);
    for (int stages : {2, 3, 30})
      EXPECT_EQ(RunLaw(model, Stages(stages), requests).generated, want.generated);
  }
}

// [2]
TEST(PipelineLaw, OffAndThresholdOneAreAnEngineWithoutExits) {
  const auto model = Tiny();
  RequestMix mix;
  mix.seed = 4;
  const LawRun want = RunLaw(model, Options(EvenSplit(30, 2), {}), MakeRequests(mix, 300));
  for (float threshold : {1.0F, 1.5F}) {
    for (const ExitMeasure measure : {ExitMeasure::kSoftmax, ExitMeasure::kState, ExitMeasure::kClassifier}) {
      mix.exit = Softmax(threshold);
      mix.exit.measure = measure;
      mix.exit.decay = ExitDecay{4.0F, 8};  // decays to .902: the comparison alone would let tokens leave
      EXPECT_EQ(RunLaw(model, Stages(2), MakeRequests(mix, 300)).generated, want.generated);
    }
  }
  mix.exit = kForcedMix;
  mix.exit.mode = ExitMode::kOff;
  EXPECT_EQ(RunLaw(model, Stages(3), MakeRequests(mix, 300)).generated, want.generated);
}

// [4]; the Stage itself CHECKs that no row runs above its watermark.
TEST(PipelineLaw, LazyForwardingYieldsTheTokensOfEagerForwarding) {
  const auto model = Tiny();
  const auto requests = MakeRequests({.count = 12, .seed = 8, .max_tokens = 30, .exit = kForcedMix}, 300);
  for (int stages : {1, 2, 4}) {
    worker::LocalPipelineOptions eager = Stages(stages);
    eager.eager_forwarding = true;
    const LawRun a = RunLaw(model, eager, requests);
    const LawRun b = RunLaw(model, Stages(stages), requests);
    EXPECT_EQ(a.generated, b.generated);
  }
}

// Every token leaves at stage 0: its fills wait there, and are dropped with the sequence instead of being
// sent.
TEST(PipelineLaw, FillsOfEndedSequencesAreDroppedUnsent) {
  const auto model = Tiny();
  const auto requests =
      MakeRequests({.count = 4, .seed = 2, .max_tokens = 20, .exit = ForcedExits({{6, 1.0F}})}, 300);
  const LawRun run = RunLaw(model, Stages(2), requests);
  uint64_t dropped = 0;
  for (const worker::StageCounters& c : run.counters) dropped += c.fills_dropped;
  EXPECT_GT(dropped, 0U);
  EXPECT_EQ(run.counters[0].exits.at(6), ExitsBelow(run, 31));
}

TEST(PipelineLaw, ABurstOf32KeepsTwoMicroBatchesInFlightAndFillsTheSeatsOfTokensThatLeft) {
  const auto model = Tiny();
  const auto requests =
      MakeRequests({.count = 32, .seed = 6, .max_tokens = 24, .exit = ForcedExits({{10, 0.5F}})}, 300);
  const LawRun run = RunLaw(model, Stages(2), requests);
  EXPECT_GE(run.peak_micro_batches, 2);
  EXPECT_GT(run.counters[1].mixed_batches, 0U);
}

}  // namespace
}  // namespace exeunt
