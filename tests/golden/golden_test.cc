// Small models: one per architecture, RoPE scaling and type of weights, as GGUF files and Hugging Face
// directories.
#include <gtest/gtest.h>

#include "base/check.h"
#include "model/testing/open_random_model.h"
#include "tests/golden/golden_expect.h"
#include "tests/golden/random_specs.h"

namespace exeunt {
namespace {

std::shared_ptr<const ModelSource> Open(const std::string& path, const AdapterOptions& adapter = {}) {
  auto source = ModelSource::Open(path, adapter);
  CHECK_MSG(source.has_value(), "{}", source.error().message);
  return *source;
}

void ExpectGolden(const std::string& name, const std::shared_ptr<const ModelSource>& source) {
  const Golden golden = LoadGolden(name);
  Engine f32(source, Weights::kF32);
  Engine stored(source, Weights::kAsStored);
  ExpectWithin(Difference(golden, &f32), LimitOf(golden, Weights::kF32), name + " as F32");
  if (golden.int8) {
    ExpectWithin(Difference(golden, &stored), LimitOf(golden, Weights::kAsStored), name + " as stored");
  }
  // F16 and BF16 are F32 values in fewer bits: not one bit of a logit may depend on how they are kept.
  const bool same = LogitsOfRows(&f32, golden.sequences[0]) == LogitsOfRows(&stored, golden.sequences[0]);
  EXPECT_EQ(same, !golden.int8) << name;
}

class RandomModelGolden : public testing::TestWithParam<NamedSpec> {};

TEST_P(RandomModelGolden, Logits) { ExpectGolden(GetParam().name, OpenRandomModel(GetParam().spec)); }

INSTANTIATE_TEST_SUITE_P(All, RandomModelGolden, testing::ValuesIn(GoldenSpecs()),
                         [](const auto& info) { return info.param.name; });

// What llama.cpp itself computes from files of the types that its quantiser chooses. Both engines round the
// inputs of quantised matrices to 8 bits, in blocks of their own: the limit is the spread that this causes.
class LlamaGolden : public testing::TestWithParam<NamedSpec> {};

TEST_P(LlamaGolden, Logits) {
  const std::string name = "llama_" + GetParam().name;
  ExpectGolden(name, OpenRandomModel(GetParam().spec));
  const Golden golden = LoadGolden(name);
  EXPECT_LT(LimitOf(golden, Weights::kAsStored).rms, 0.15 * golden.deviation);  // the limit is one
}

std::vector<NamedSpec> Recipes() {
  std::vector<NamedSpec> recipes = GoldenSpecs();
  std::erase_if(recipes, [](const NamedSpec& spec) { return !spec.name.starts_with("recipe_"); });
  return recipes;
}

INSTANTIATE_TEST_SUITE_P(All, LlamaGolden, testing::ValuesIn(Recipes()),
                         [](const auto& info) { return info.param.name; });

class HuggingFaceGolden : public testing::TestWithParam<const char*> {};

const std::string kHfData = std::string(EXEUNT_SOURCE_DIR) + "/tests/golden/data/hf/";

TEST_P(HuggingFaceGolden, Logits) { ExpectGolden(GetParam(), Open(kHfData + GetParam())); }

INSTANTIATE_TEST_SUITE_P(All, HuggingFaceGolden,
                         testing::Values("hf_llama", "hf_mistral", "hf_qwen2", "hf_qwen3"),
                         [](const auto& info) { return std::string(info.param); });

// Merged here; peft computes W x + s B (A x).
TEST(AdapterGolden, LogitsAreThoseOfPeft) {
  const std::string base = kHfData + "hf_llama";
  ExpectGolden("hf_llama_lora", Open(base, {kHfData + "hf_llama_lora", "auto"}));
  const Golden golden = LoadGolden("hf_llama_lora");
  Engine plain(Open(base), Weights::kF32);
  EXPECT_GT(Difference(golden, &plain).rms, 0.1 * golden.deviation);  // the adapter matters
}

// The test can fail: a model that differs by one number of its configuration is outside of the limits.
TEST(Golden, TellsASlightlyDifferentModel) {
  RandomModelSpec spec;
  for (const NamedSpec& named : GoldenSpecs()) {
    if (named.name == "llama_long_window") spec = named.spec;
  }
  const Golden golden = LoadGolden("llama_long_window");
  const Noise limit = LimitOf(golden, Weights::kF32);
  const auto rms = [&](const RandomModelSpec& changed) {
    Engine engine(OpenRandomModel(changed), Weights::kF32);
    return Difference(golden, &engine).rms;
  };
  EXPECT_LE(rms(spec), limit.rms);
  RandomModelSpec eps = spec;
  eps.norm_eps = 2e-5F;
  EXPECT_GT(rms(eps), limit.rms);
  RandomModelSpec theta = spec;
  theta.rope_theta *= 1.001F;
  EXPECT_GT(rms(theta), limit.rms);
  RandomModelSpec window = spec;
  window.sliding_window += 1;
  EXPECT_GT(rms(window), limit.rms);
}

}  // namespace
}  // namespace exeunt
