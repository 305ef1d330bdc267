// The exit measures `preview` and `candidates` under the pipeline's laws: a token that leaves without the
// vocabulary head is the same on any split, thread count, batch and instruction set.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/write_file.h"
#include "costs/layer_split.h"
#include "model/safetensors_writer.h"
#include "tests/laws/law_harness.h"

namespace exeunt {
namespace {

constexpr int kD = 64;
constexpr int kRank = 32;
const std::vector<int> kExits = {6, 10, 15, 20, 26};

class ExitTokenLaw : public testing::TestWithParam<ExitMeasure> {
 protected:
  ExitTokenLaw() {
    directory_ =
        std::filesystem::temp_directory_path() / ("exeunt-exit-token-law-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory_);
    std::mt19937_64 rng(7);
    std::normal_distribution<float> normal;
    std::vector<float> down(kRank * kD), basis(kRank * kD);
    for (int i = 0; i < kRank * kD; ++i) {  // a projection onto random directions, roughly
      down[static_cast<size_t>(i)] = normal(rng) / 8;
      basis[static_cast<size_t>(i % kD * kRank + i / kD)] = down[static_cast<size_t>(i)];
    }
    SafetensorsWriter writer;
    writer.AddTensor("preview.down", DType::kF32, {kRank, kD}, std::as_bytes(std::span(down)));
    writer.AddTensor("preview.basis", DType::kF32, {kD, kRank}, std::as_bytes(std::span(basis)));
    std::vector<float> outside(kD);
    for (float& w : outside) w = normal(rng) / 8;
    const std::vector<float> bias(1, 1.0F);
    std::string exits, candidates;
    for (const int layer : kExits) {
      writer.AddTensor(fmt::format("exit.{}.outside.weight", layer), DType::kF32, {kD},
                       std::as_bytes(std::span(outside)));
      writer.AddTensor(fmt::format("exit.{}.outside.bias", layer), DType::kF32, {1},
                       std::as_bytes(std::span(bias)));
      exits += fmt::format(R"({}{{"layer": {}, "outside": true}})", exits.empty() ? "" : ", ", layer);
    }
    for (int token = 1; token < 300; token += 3)
      candidates += fmt::format("{}{}", token == 1 ? "" : ", ", token);
    EXPECT_TRUE(writer.WriteTo((directory_ / "exits.safetensors").string()).has_value());
    const std::string json =
        R"({"format": 1, "model": ")" + model_->ContentHash() + R"(", "exits": [)" + exits +
        R"(], "preview": {"rank": 32, "groups": 3}, "candidates": {"tokens": [)" + candidates + "]}}";
    EXPECT_TRUE(WriteFile((directory_ / "exits.json").string(), json).has_value());
  }
  ~ExitTokenLaw() override { std::filesystem::remove_all(directory_); }

  worker::LocalPipelineOptions Options(std::vector<LayerSpan> split) const {
    worker::LocalPipelineOptions options;
    options.split = std::move(split);
    options.exit_layers = kExits;
    options.exits_directory = directory_.string();
    options.kv_pages = 256;
    return options;
  }

  std::vector<worker::SequenceSpec> Requests(bool sampled) const {
    RequestMix mix{.count = 8, .seed = 3, .sampled = sampled};
    mix.exit = {.mode = ExitMode::kPropagate, .measure = GetParam(), .threshold = 0.05F, .min_layer = 8};
    auto requests = MakeRequests(mix, 300);
    for (worker::SequenceSpec& spec : requests) spec.want_logits = false;  // else the head itself is asked
    return requests;
  }

  std::shared_ptr<const ModelSource> model_ = RandomModel(TinyThirty(DType::kQ4_1));
  std::filesystem::path directory_;
};

std::map<int, int> ByLayer(const LawRun& run) {
  std::map<int, int> layers;
  for (const auto& [id, tokens] : run.generated) {
    for (const auto& t : tokens) ++layers[t.exit_layer];
  }
  return layers;
}

TEST_P(ExitTokenLaw, AnySplitThreadCountBatchAndInstructionSetGiveTheSameTokens) {
  for (const bool sampled : {false, true}) {
    const auto requests = Requests(sampled);
    const LawRun want = RunLaw(model_, Options(EvenSplit(30, 1)), requests);
    const auto layers = ByLayer(want);
    EXPECT_FALSE(layers.contains(6));  // below the minimum
    EXPECT_GT(layers.size(), 2U);
    EXPECT_TRUE(layers.contains(30));
    for (const int stages : {2, 3}) {
      EXPECT_EQ(RunLaw(model_, Options(EvenSplit(30, stages)), requests).generated, want.generated);
    }
    worker::LocalPipelineOptions options = Options(EvenSplit(30, 2));
    options.threads = 3;
    EXPECT_EQ(RunLaw(model_, options, requests, {.staggered = true}).generated, want.generated);
    options.max_batch_rows = 1;
    EXPECT_EQ(RunLaw(model_, options, requests).generated, want.generated);
    for (const cpu::Isa isa : cpu::SupportedIsas()) {
      options.backend = MakeCpuBackend({.isa = isa});
      EXPECT_EQ(RunLaw(model_, options, requests).generated, want.generated) << cpu::IsaName(isa);
    }
  }
}

// A request that asks for the logits gets the head's: the token of the preview is the likeliest of a few
// groups, the head's of all; where these agree, so do the tokens.
TEST_P(ExitTokenLaw, WhereProbabilitiesAreAskedForTheHeadItselfIsRun) {
  auto requests = Requests(false);
  const LawRun preview = RunLaw(model_, Options(EvenSplit(30, 2)), requests);
  for (worker::SequenceSpec& spec : requests) spec.want_logits = true;
  const LawRun head = RunLaw(model_, Options(EvenSplit(30, 2)), requests);
  size_t first_equal = 0;
  for (const auto& [id, tokens] : head.generated) {
    for (const auto& t : tokens) EXPECT_NE(t.logits_digest, preview.generated.at(id).front().logits_digest);
    EXPECT_EQ(tokens.front().exit_layer, preview.generated.at(id).front().exit_layer);
    first_equal += tokens.front().token == preview.generated.at(id).front().token ? 1U : 0U;
  }
  EXPECT_GT(first_equal, 0U);
}

// What changes the logits is done to all of them: a token that neither the preview nor the candidates put
// first is drawn at the same exits.
TEST_P(ExitTokenLaw, AdjustedLogitsAreThoseOfTheWholeHead) {
  auto requests = Requests(false);
  const LawRun plain = RunLaw(model_, Options(EvenSplit(30, 2)), requests);
  constexpr int32_t kForced = 299;  // no candidate
  for (worker::SequenceSpec& spec : requests) spec.sampling.logit_bias = {{kForced, 1000.0F}};
  const LawRun forced = RunLaw(model_, Options(EvenSplit(30, 2)), requests);
  EXPECT_EQ(RunLaw(model_, Options(EvenSplit(30, 3)), requests).generated, forced.generated);
  EXPECT_GT(ByLayer(forced).size(), 2U);
  for (const auto& [id, tokens] : forced.generated) {
    for (const auto& t : tokens) EXPECT_EQ(t.token, kForced);
    EXPECT_EQ(tokens.front().exit_layer, plain.generated.at(id).front().exit_layer);
  }
}

INSTANTIATE_TEST_SUITE_P(Measures, ExitTokenLaw,
                         testing::Values(ExitMeasure::kPreview, ExitMeasure::kCandidates),
                         [](const auto& info) { return ExitMeasureName(info.param); });

}  // namespace
}  // namespace exeunt
