// The default model, on 50 prompts: logits at every generated position with the golden's own tokens before
// it, and greedy output, which may leave the golden's only where two tokens are nearly tied.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "base/check.h"
#include "costs/layer_split.h"
#include "tests/golden/golden.h"
#include "worker/process/local_pipeline.h"

namespace exeunt {
namespace {

constexpr int kGenerated = 32;

// Where deploy/get_model.sh keeps it; tests/run.sh calls that first.
std::shared_ptr<const ModelSource> DefaultModel(const std::string& file, const AdapterOptions& adapter = {}) {
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string cache = xdg != nullptr ? xdg : std::string(home != nullptr ? home : "") + "/.cache";
  auto source = ModelSource::Open(cache + "/exeunt/models/" + file, adapter);
  CHECK_MSG(source.has_value(), "{} (deploy/get_model.sh fetches it)", source.error().message);
  return *source;
}

// How far the golden's logit of `token` is below its largest; none where the token is not among the golden's.
std::optional<double> Gap(const GoldenRow& row, int32_t token) {
  const auto at = std::ranges::find(row.ids, token);
  if (at == row.ids.end()) return std::nullopt;
  return row.logits[0] - row.logits[static_cast<size_t>(at - row.ids.begin())];
}

// A different token is explained where the golden's logits of the two are nearly tied.
void ExpectNearTie(const GoldenSequence& sequence, size_t step, int32_t token, double limit) {
  const std::optional<double> gap = Gap(sequence.rows[step], token);
  fmt::print("{:?} step {}: token {}, golden {}, gap {}\n", sequence.name, step, token,
             sequence.generated[step], gap ? fmt::format("{:.4f}", *gap) : "unknown");
  ASSERT_TRUE(gap.has_value()) << "not even among the golden's largest";
  EXPECT_LE(*gap, limit) << sequence.name << ", step " << step;
}

void ExpectLogits(const Golden& golden, Weights weights, const AdapterOptions& adapter = {}) {
  const Noise limit = LimitOf(golden, weights);
  Engine engine(DefaultModel(golden.model, adapter), weights);
  Differences differences;
  for (const GoldenSequence& sequence : golden.sequences) {
    const auto logits = LogitsOfRows(&engine, sequence);
    for (size_t i = 0; i < logits.size(); ++i) {
      differences.Add(sequence.rows[i], logits[i]);
      if (sequence.generated.empty()) continue;
      const auto best = static_cast<int32_t>(std::ranges::max_element(logits[i]) - logits[i].begin());
      if (best != sequence.generated[i]) ExpectNearTie(sequence, i, best, NearTie(golden, weights));
    }
  }
  const Noise d = differences.Summary();
  fmt::print(
      "{} logits: rms {:.3g} (limit {:.3g}), max {:.3g} ({:.3g}); gaps: rms {:.3g} ({:.3g}), max {:.3g} "
      "({:.3g})\n",
      differences.count(), d.rms, limit.rms, d.max, limit.max, d.gap_rms, limit.gap_rms, d.gap_max,
      limit.gap_max);
  EXPECT_LE(d.rms, limit.rms);
  EXPECT_LE(d.max, limit.max);
  EXPECT_LE(d.gap_rms, limit.gap_rms);
  EXPECT_LE(d.gap_max, limit.gap_max);
}

// Greedy tokens by sequence of the golden, all of its first `count` at once through a pipeline of one stage.
std::map<uint64_t, std::vector<int32_t>> Generate(const Golden& golden, size_t count, Weights weights) {
  const auto source = DefaultModel(golden.model);
  worker::LocalPipelineOptions options;
  options.split = EvenSplit(source->config().n_layers, 1);
  options.backend = MakeCpuBackend({.dequantise = weights == Weights::kF32});
  auto pipeline = worker::LocalPipeline::Create(source, options, [](float) {});
  CHECK_MSG(pipeline.has_value(), "{}", pipeline.error().message);
  worker::AdmitSequences admit;
  for (size_t i = 0; i < count; ++i) {
    worker::SequenceSpec spec;
    spec.sequence = i;
    spec.prompt = golden.sequences[i].tokens;
    spec.max_tokens = kGenerated;
    spec.sampling.temperature = 0.0F;
    admit.specs.push_back(std::move(spec));
  }
  worker::StageOutputs out;
  (*pipeline)->Turn({std::move(admit)}, &out);
  (*pipeline)->RunUntilIdle(&out);
  CHECK_MSG(out.Health().has_value(), "{}", out.Health().error().message);
  std::map<uint64_t, std::vector<int32_t>> tokens;
  for (const worker::TokenOut& token : out.tokens) tokens[token.sequence].push_back(token.token);
  return tokens;
}

// Up to the first difference both had the same tokens before them, and no further.
void ExpectGreedy(const Golden& golden, size_t count, Weights weights) {
  const double limit = NearTie(golden, weights);
  fmt::print("a near-tie is at most {:.3g}\n", limit);
  int equal = 0;
  const auto outputs = Generate(golden, count, weights);
  ASSERT_EQ(outputs.size(), count);
  for (const auto& [i, tokens] : outputs) {
    const GoldenSequence& sequence = golden.sequences[i];
    ASSERT_EQ(tokens.size(), sequence.generated.size());
    const auto at = std::ranges::mismatch(tokens, sequence.generated).in1 - tokens.begin();
    if (at == kGenerated) {
      ++equal;
    } else {
      ExpectNearTie(sequence, static_cast<size_t>(at), tokens[static_cast<size_t>(at)], limit);
    }
  }
  fmt::print("{} of {} outputs are equal\n", equal, outputs.size());
}

TEST(DefaultModelGolden, LogitsAsF32) { ExpectLogits(LoadGolden("default"), Weights::kF32); }
TEST(DefaultModelGolden, LogitsAsStored) { ExpectLogits(LoadGolden("default"), Weights::kAsStored); }
// The adapter that is kept for it, merged into quantised matrices; peft computes W x + s B (A x) of them.
TEST(DefaultModelGolden, LogitsWithAnAdapterAreThoseOfPeft) {
  ExpectLogits(LoadGolden("default_lora"), Weights::kF32,
               {EXEUNT_SOURCE_DIR "/experiments/calm/restore/adapter", "auto"});
}
TEST(DefaultModelGolden, GreedyOutputAsStored) {
  const Golden golden = LoadGolden("default");
  ExpectGreedy(golden, golden.sequences.size(), Weights::kAsStored);
}
// Fewer of them: the logits above have said it of all, and decoding in F32 is slow.
TEST(DefaultModelGolden, GreedyOutputAsF32) { ExpectGreedy(LoadGolden("default"), 10, Weights::kF32); }

}  // namespace
}  // namespace exeunt
