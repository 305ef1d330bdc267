// Sharing a prefix changes nothing but the work: tokens, exit layers and logits are those of requests that
// each run their whole prompt, wherever the sequence they share with has ended by then.
#include <gtest/gtest.h>

#include <random>

#include "costs/layer_split.h"
#include "kernels/kv_layout.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

const ExitSetting kForcedMix = ForcedExits({{6, 0.3F}, {10, 0.15F}, {15, 0.2F}, {26, 0.1F}});

worker::LocalPipelineOptions Stages(int n) {
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(30, n);
  options.exit_layers = {6, 10, 15, 20, 26};
  options.prefill_chunk_tokens = 24;
  return options;
}

// Families of requests whose prompts begin with the same tokens. One in three has no exits. `retained`: their
// K/V outlives them.
std::vector<worker::SequenceSpec> Families(uint64_t seed, bool retained = false) {
  std::mt19937_64 rng(seed);
  const auto draw = [&rng](uint64_t n) { return static_cast<int>(rng() % n); };
  std::vector<worker::SequenceSpec> requests;
  for (int family = 0; family < 4; ++family) {
    std::vector<int32_t> common(static_cast<size_t>(33 + draw(70)));
    for (int32_t& token : common) token = draw(300);
    for (int member = 0; member < 5; ++member) {
      worker::SequenceSpec spec;
      spec.sequence = requests.size() + 1;
      spec.prompt = common;
      for (int more = 1 + draw(8); more > 0; --more) spec.prompt.push_back(draw(300));
      spec.max_tokens = 1 + draw(12);
      spec.sampling = {.temperature = member % 2 == 0 ? 0.0F : 1.0F, .seed = rng()};
      if (member % 3 != 0) spec.exit = kForcedMix;
      spec.want_logits = true;
      if (retained) spec.retain_tokens = (spec.prompt_tokens() - 1) / kPageTokens * kPageTokens;
      if (member > 0) {  // with any of those before it
        spec.prefix_of = spec.sequence - static_cast<uint64_t>(1 + draw(static_cast<uint64_t>(member)));
        spec.prefix_tokens = static_cast<int>(common.size()) / kPageTokens * kPageTokens;
      }
      requests.push_back(std::move(spec));
    }
  }
  return requests;
}

std::vector<worker::SequenceSpec> Unshared(std::vector<worker::SequenceSpec> requests) {
  for (worker::SequenceSpec& spec : requests) {
    spec.prefix_of = 0;
    spec.prefix_tokens = 0;
  }
  return requests;
}

TEST(PrefixLaw, SharingGivesTheSameBitsAndRunsFewerRows) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const auto requests = Families(11);
  const LawRun want = RunLaw(model, Stages(1), Unshared(requests));
  for (const int stages : {1, 2, 3}) {
    const LawRun got = RunLaw(model, Stages(stages), requests);
    EXPECT_EQ(got.generated, want.generated) << stages << " stages";
    const auto rows = [](const LawRun& run) { return run.counters[0].prompt_rows; };
    if (stages == 1) {
      EXPECT_LT(2 * rows(got), rows(want));
    }
  }
}

// All tokens of what ended by itself, the first ones of what was cancelled.
void CheckTokens(const LawRun& got, const LawRun& want) {
  for (const auto& [id, tokens] : got.generated) {
    const auto& all = want.generated.at(id);
    if (got.finished.at(id).reason != EndReason::kCancelled) {
      ASSERT_EQ(tokens.size(), all.size());
    }
    ASSERT_LE(tokens.size(), all.size());
    ASSERT_TRUE(std::equal(tokens.begin(), tokens.end(), all.begin())) << "sequence " << id;
  }
}

TEST(PrefixLaw, ASourceMayEndAtAnyMoment) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const uint64_t first = std::random_device{}();
  std::cout << "first seed " << first << "\n";
  for (uint64_t seed = first; seed < first + 4; ++seed) {
    const auto requests = Families(seed);
    const LawRun want = RunLaw(model, Stages(1), Unshared(requests));
    for (const int stages : {1, 2, 3}) {
      for (const bool staggered : {false, true}) {
        SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << stages << " stages");
        CheckTokens(RunLaw(model, Stages(stages), requests, {staggered, seed, 0.4}), want);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Requests so far apart that most of their sources are over.
Schedule Slow(uint64_t seed, double cancel_share, double evict_share) {
  return {.staggered = true,
          .seed = seed,
          .cancel_share = cancel_share,
          .evict_share = evict_share,
          .arrival_share = 0.03};
}

TEST(PrefixLaw, WhatIsLeftBehindIsSharedUntilItIsEvicted) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const uint64_t first = std::random_device{}();
  std::cout << "first seed " << first << "\n";
  for (uint64_t seed = first; seed < first + 4; ++seed) {
    const auto requests = Families(seed, true);
    const LawRun want = RunLaw(model, Stages(1), Unshared(requests));
    for (const int stages : {1, 2, 3}) {
      for (const Schedule& schedule : {Slow(seed, 0, 0), Slow(seed, 0, 0.1), Slow(seed, 0.05, 0.1)}) {
        SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << stages << " stages");
        CheckTokens(RunLaw(model, Stages(stages), requests, schedule), want);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(PrefixLaw, WhatIsLeftBehindNeedNotRunAgain) {
  const auto model = RandomModel(TinyThirty(DType::kQ4_1));
  const auto rows = [&](bool retained, double evict_share) {
    return RunLaw(model, Stages(2), Families(11, retained), Slow(1, 0, evict_share)).counters[0].prompt_rows;
  };
  EXPECT_LT(rows(true, 0), rows(false, 0));
  EXPECT_LT(rows(true, 0), rows(true, 0.5));
}

}  // namespace
}  // namespace exeunt
