// What the keys of a GGUF file mean, on metadata made by hand.
#include "model/gguf_model.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// 4 heads of 16, and what `more` adds or replaces below the architecture's name.
GgufContents Contents(const std::map<std::string, GgufValue>& more,
                      const std::string& architecture = "llama") {
  GgufContents gguf;
  gguf.metadata["general.architecture"] = architecture;
  std::map<std::string, GgufValue> keys = {
      {"block_count", int64_t{2}},          {"context_length", int64_t{4096}},
      {"embedding_length", int64_t{64}},    {"feed_forward_length", int64_t{128}},
      {"attention.head_count", int64_t{4}}, {"vocab_size", int64_t{300}}};
  for (const auto& [key, value] : more) keys[key] = value;
  for (const auto& [key, value] : keys) gguf.metadata[architecture + "." + key] = value;
  return gguf;
}

ModelConfig ConfigOf(const std::map<std::string, GgufValue>& more) {
  auto config = GgufModelConfig(Contents(more));
  EXPECT_TRUE(config) << config.error().message;
  return config ? *config : ModelConfig();
}

std::string ErrorOf(const std::map<std::string, GgufValue>& more) {
  const auto config = GgufModelConfig(Contents(more));
  return config ? "" : config.error().message;
}

std::string Text(const char* text) { return text; }

// llama-model.cpp: the type is linear where the key is missing; a factor that is missing or 0 is 1; the old
// key is read where the new one is missing.
TEST(GgufRope, OneKeyOfAPairHasLlamaCppsDefault) {
  const auto scaling = [](const std::map<std::string, GgufValue>& more) {
    return ConfigOf(more).rope_scaling;
  };
  EXPECT_EQ(scaling({}).kind, RopeScalingKind::kNone);
  const RopeScaling no_type = scaling({{"rope.scaling.factor", 4.0}});
  EXPECT_EQ(no_type.kind, RopeScalingKind::kLinear);
  EXPECT_EQ(no_type.factor, 4.0F);
  EXPECT_EQ(scaling({{"rope.scaling.type", Text("linear")}}).kind, RopeScalingKind::kNone);
  EXPECT_EQ(scaling({{"rope.scaling.type", Text("linear")}, {"rope.scaling.factor", 0.0}}).kind,
            RopeScalingKind::kNone);
  EXPECT_EQ(scaling({{"rope.scaling.type", Text("none")}, {"rope.scaling.factor", 8.0}}).kind,
            RopeScalingKind::kNone);
  const RopeScaling old = scaling({{"rope.scale_linear", 2.0}});
  EXPECT_EQ(old.kind, RopeScalingKind::kLinear);
  EXPECT_EQ(old.factor, 2.0F);
  EXPECT_EQ(scaling({{"rope.scale_linear", 2.0}, {"rope.scaling.factor", 3.0}}).factor, 3.0F);
  EXPECT_EQ(scaling({{"rope.scale_linear", 2.0}, {"rope.scaling.factor", 0.0}}).kind, RopeScalingKind::kNone);
}

TEST(GgufRope, YarnHasLlamaCppsDefaults) {
  const RopeScaling plain =
      ConfigOf({{"rope.scaling.type", Text("yarn")}, {"rope.scaling.factor", 4.0}}).rope_scaling;
  EXPECT_EQ(plain.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(plain.factor, 4.0F);
  EXPECT_EQ(plain.original_context, 4096);  // context_length
  EXPECT_EQ(plain.beta_fast, 32.0F);
  EXPECT_EQ(plain.beta_slow, 1.0F);
  EXPECT_EQ(plain.attention_factor, 0.0F);  // derived
  const RopeScaling no_factor = ConfigOf({{"rope.scaling.type", Text("yarn")}}).rope_scaling;
  EXPECT_EQ(no_factor.factor, 1.0F);
  const RopeScaling old =
      ConfigOf({{"rope.scaling.type", Text("yarn")}, {"rope.scale_linear", 8.0}}).rope_scaling;
  EXPECT_EQ(old.factor, 8.0F);
  const RopeScaling zero = ConfigOf({{"rope.scaling.type", Text("yarn")},
                                     {"rope.scaling.factor", 4.0},
                                     {"rope.scaling.original_context_length", int64_t{0}},
                                     {"rope.scaling.yarn_ext_factor", -1.0},
                                     {"rope.scaling.attn_factor", 0.5}})
                               .rope_scaling;
  EXPECT_EQ(zero.original_context, 4096);
  EXPECT_FLOAT_EQ(zero.attention_factor, 0.5F * (0.1F * std::log(4.0F) + 1.0F));
}

TEST(GgufRope, WhatIsNotComputedIsRefused) {
  EXPECT_EQ(ErrorOf({{"rope.scaling.type", Text("longrope")}}),
            "metadata key 'llama.rope.scaling.type' is 'longrope', known are 'none', 'linear', 'yarn'");
  EXPECT_EQ(ErrorOf({{"rope.scaling.factor", -2.0}}),
            "metadata key 'llama.rope.scaling.factor' is -2, must not be below 0");
  EXPECT_EQ(ErrorOf({{"rope.scale_linear", -2.0}}),
            "metadata key 'llama.rope.scale_linear' is -2, must not be below 0");
  EXPECT_EQ(ErrorOf({{"rope.scaling.factor", 2.0}, {"rope.scaling.attn_factor", 1.5}}),
            "metadata key 'llama.rope.scaling.attn_factor' is 1.5, only 1 is supported");
  EXPECT_EQ(ErrorOf({{"rope.scaling.type", Text("yarn")}, {"rope.scaling.yarn_ext_factor", 0.5}}),
            "metadata key 'llama.rope.scaling.yarn_ext_factor' is 0.5, only 1 is supported");
  EXPECT_EQ(ErrorOf({{"rope.scaling.type", Text("yarn")}, {"rope.scaling.yarn_log_multiplier", 0.1}}),
            "metadata key 'llama.rope.scaling.yarn_log_multiplier' is 0.1, only 0 is supported");
  EXPECT_EQ(ErrorOf({{"rope.scaling.type", int64_t{2}}}),
            "metadata key 'llama.rope.scaling.type' is not a string");
  EXPECT_EQ(ErrorOf({{"rope.scaling.factor", int64_t{2}}}),
            "metadata key 'llama.rope.scaling.factor' is not a float");
}

TEST(GgufHeads, AMissingLengthIsDerived) {
  EXPECT_EQ(ConfigOf({}).head_dim, 16);
  EXPECT_EQ(ConfigOf({{"attention.key_length", int64_t{16}}}).head_dim, 16);
  EXPECT_EQ(ConfigOf({{"attention.value_length", int64_t{16}}}).head_dim, 16);
  EXPECT_EQ(
      ConfigOf({{"attention.key_length", int64_t{32}}, {"attention.value_length", int64_t{32}}}).head_dim,
      32);
  EXPECT_EQ(ConfigOf({{"attention.head_count", int64_t{5}},  // 64 is no multiple of 5
                      {"attention.key_length", int64_t{32}},
                      {"attention.value_length", int64_t{32}}})
                .head_dim,
            32);
  EXPECT_THAT(ErrorOf({{"attention.key_length", int64_t{32}}}),
              HasSubstr("'llama.attention.key_length' is 32 and 'llama.attention.value_length' is 16 "));
  EXPECT_THAT(ErrorOf({{"attention.value_length", int64_t{8}}}),
              HasSubstr("'llama.attention.key_length' is 16 and 'llama.attention.value_length' is 8 "));
  EXPECT_EQ(ErrorOf({{"rope.dimension_count", int64_t{8}}}),
            "metadata key 'llama.rope.dimension_count' is 8, only 16 is supported");
  EXPECT_EQ(ErrorOf({{"attention.head_count", int64_t{5}}}),
            "the model dimension 64 is not a multiple of 5 heads");
}

TEST(GgufKeys, ANumberForEachLayerIsOneWhereAllAreAlike) {
  const ModelConfig config = ConfigOf({{"attention.head_count", std::vector<int64_t>{4, 4}},
                                       {"attention.head_count_kv", std::vector<int64_t>{2, 2}},
                                       {"feed_forward_length", std::vector<int64_t>{96, 96}}});
  EXPECT_EQ(config.n_heads, 4);
  EXPECT_EQ(config.n_kv_heads, 2);
  EXPECT_EQ(config.d_ff, 96);
  EXPECT_THAT(ErrorOf({{"feed_forward_length", std::vector<int64_t>{96, 128}}}),
              HasSubstr("'llama.feed_forward_length' is 96 for layer 0 and 128 for layer 1"));
  EXPECT_THAT(ErrorOf({{"attention.head_count", std::vector<int64_t>{}}}), HasSubstr("is an empty list"));
  EXPECT_THAT(ErrorOf({{"block_count", std::vector<int64_t>{2, 2}}}), HasSubstr("is not an integer"));
}

std::vector<std::string> WarningsOf(const std::map<std::string, GgufValue>& more,
                                    const std::string& architecture) {
  const auto config = GgufModelConfig(Contents(more, architecture));
  EXPECT_TRUE(config) << config.error().message;
  return config->warnings;
}

TEST(GgufKeys, WhatChangesNothingIsListed) {
  const std::string begin = "metadata keys that change nothing in what is computed are not read: ";
  EXPECT_THAT(WarningsOf({}, "llama"), IsEmpty());
  EXPECT_THAT(WarningsOf({{"pooling_type", int64_t{1}}, {"company.training_run", Text("x")}}, "llama"),
              ElementsAre(begin + "'llama.company.training_run', 'llama.pooling_type'"));
  EXPECT_THAT(WarningsOf({{"attention.causal", true}, {"embedding_length_out", int64_t{64}}}, "qwen2"),
              ElementsAre(begin + "'qwen2.attention.causal', 'qwen2.embedding_length_out'"));
  EXPECT_THAT(WarningsOf({{"classifier.output_labels", std::vector<std::string>{"yes"}},
                          {"rope.dimension_sections", std::vector<int64_t>{0, 0, 0, 0}},
                          {"logit_scale", 1.0},
                          {"attention.layer_norm_epsilon", 1e-5}},
                         "qwen3"),
              ElementsAre(begin + "'qwen3.attention.layer_norm_epsilon', 'qwen3.classifier.output_labels', "
                                  "'qwen3.logit_scale', 'qwen3.rope.dimension_sections'"));
  std::map<std::string, GgufValue> many;
  for (int i = 10; i < 40; ++i) many[fmt::format("x.{}", i)] = int64_t{1};
  EXPECT_THAT(WarningsOf(many, "llama"), ElementsAre(HasSubstr("'llama.x.29' and 10 more")));
}

// GGUF's context is scaled where the file says both lengths.
TEST(GgufModelConfig, ContextsAreThoseOfTheScaledModel) {
  const auto context = [](const std::map<std::string, GgufValue>& more) {
    return ConfigOf(more).context_length;
  };
  EXPECT_EQ(context({}), 4096);
  EXPECT_EQ(context({{"rope.scaling.type", Text("yarn")}, {"rope.scaling.factor", 4.0}}), 4096);
  EXPECT_EQ(context({{"rope.scaling.type", Text("yarn")},
                     {"rope.scaling.factor", 4.0},
                     {"rope.scaling.original_context_length", int64_t{2048}}}),
            8192);
  EXPECT_EQ(
      context({{"rope.scaling.type", Text("yarn")}, {"rope.scaling.original_context_length", int64_t{128}}}),
      4096);
  EXPECT_EQ(context({{"rope.scaling.factor", 2.3}, {"rope.scaling.original_context_length", int64_t{1000}}}),
            2300);
}

TEST(GgufKeys, WhatWouldChangeTheComputationIsRefused) {
  EXPECT_EQ(ErrorOf({{"logit_scale", 0.5}}),
            "metadata key 'llama.logit_scale' is 0.5, only 0 or 1 is supported");
  EXPECT_EQ(ErrorOf({{"attention.causal", false}}),
            "metadata key 'llama.attention.causal' is 0, only 1 is supported");
  EXPECT_EQ(ErrorOf({{"final_logit_softcapping", 30.0}}),
            "metadata key 'llama.final_logit_softcapping' is 30, only 0 is supported");
  EXPECT_EQ(ErrorOf({{"attention.clamp_kqv", 8.0}}),
            "metadata key 'llama.attention.clamp_kqv' is 8, only 0 is supported");
  EXPECT_EQ(ErrorOf({{"rope.dimension_sections", std::vector<int64_t>{8, 8, 0, 0}}}),
            "metadata key 'llama.rope.dimension_sections' is 8, only 0 is supported");
  EXPECT_EQ(ErrorOf({{"residual_scale", Text("x")}}), "metadata key 'llama.residual_scale' is not a number");
  EXPECT_EQ(ErrorOf({{"ssm.conv_kernel", int64_t{4}}}),
            "metadata key 'llama.ssm.conv_kernel' belongs to another architecture than 'llama'");
  EXPECT_EQ(ErrorOf({{"attention.kv_lora_rank", int64_t{512}}}),
            "metadata key 'llama.attention.kv_lora_rank' belongs to another architecture than 'llama'");
  EXPECT_EQ(ErrorOf({{"expert_count", int64_t{8}}}),
            "metadata key 'llama.expert_count' is 8, only 0 is supported");
}

}  // namespace
}  // namespace exeunt
