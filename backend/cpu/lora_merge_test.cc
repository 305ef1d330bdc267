#include "model/lora_adapter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "backend/cpu/linear.h"
#include "base/testing/temp_dir.h"
#include "model/model_source.h"
#include "model/safetensors_writer.h"
#include "model/testing/random_model.h"

namespace exeunt {
namespace {

using testing::HasSubstr;

constexpr size_t kRank = 4;
constexpr size_t kD = 64;     // d_model
constexpr size_t kHead = 16;  // head_dim
constexpr const char* kConfig = R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8)";

std::vector<float> Random(size_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0F, 0.3F);
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

// A random model of 4 layers, and an adapter in the names of its checkpoint.
class LoraAdapterTest : public testing::Test {
 protected:
  std::string Model(const RandomModelSpec& spec) {
    std::string path = directory_ / "model.gguf";
    EXPECT_TRUE(WriteRandomModel(spec, path).has_value());
    return path;
  }
  void Add(const std::string& module, size_t n_out, size_t n_in, uint32_t seed) {
    const std::string prefix = "base_model.model." + module;
    AddTensor(prefix + ".lora_A.weight", {kRank, static_cast<int64_t>(n_in)}, Random(kRank * n_in, seed));
    AddTensor(prefix + ".lora_B.weight", {static_cast<int64_t>(n_out), kRank},
              Random(n_out * kRank, seed + 1));
  }
  void AddTensor(const std::string& name, const std::vector<int64_t>& shape,
                 const std::vector<float>& values) {
    writer_.AddTensor(name, DType::kF32, shape, std::as_bytes(std::span(values)));
  }
  AdapterOptions Write(const std::string& config = std::string(kConfig) + "}") {
    std::ofstream(directory_ / "adapter_config.json") << config;
    EXPECT_TRUE(writer_.WriteTo(directory_ / "adapter_model.safetensors").has_value());
    return {directory_.path(), "auto"};
  }
  // Row `row` of B A as peft computes it, in the order of the checkpoint.
  static std::vector<double> Product(size_t n_out, size_t n_in, uint32_t seed, size_t row, double scale) {
    const auto a = Random(kRank * n_in, seed), b = Random(n_out * kRank, seed + 1);
    std::vector<double> sum(n_in);
    for (size_t r = 0; r < kRank; ++r) {
      for (size_t i = 0; i < n_in; ++i)
        sum[i] += scale * double{b[row * kRank + r]} * double{a[r * n_in + i]};
    }
    return sum;
  }
  static std::vector<float> Row(const ModelSource& source, const std::string& name, size_t row) {
    PackedArena arena;
    const Linear linear = Linear::Load(source, {name}, false, &arena);
    std::vector<float> values(static_cast<size_t>(linear.k()));
    linear.parts().at(0).weight.UnpackRow(static_cast<int>(row), values.data());
    return values;
  }
  std::string ErrorOf(const std::string& path, const AdapterOptions& options) {
    const auto opened = ModelSource::Open(path, options);
    return opened ? "" : opened.error().message;
  }
  TempDir directory_;
  SafetensorsWriter writer_;
};

TEST_F(LoraAdapterTest, AddsTheScaledProductToItsMatricesAndLeavesTheOthers) {
  const std::string path = Model({});
  Add("model.layers.1.mlp.down_proj", kD, 128, 10);
  const AdapterOptions options = Write();
  const auto base = ModelSource::Open(path).value();
  const auto adapted = ModelSource::Open(path, options).value();
  for (const size_t row : {0U, 1U, 17U, 63U}) {
    const auto before = Row(*base, "blk.1.ffn_down", row);
    const auto after = Row(*adapted, "blk.1.ffn_down", row);
    const auto product = Product(kD, 128, 10, row, 8.0 / 4);
    for (size_t i = 0; i < after.size(); ++i) {
      ASSERT_NEAR(after[i], double{before[i]} + product[i], 1e-5) << row << ", " << i;
    }
    EXPECT_EQ(Row(*base, "blk.2.ffn_down", row), Row(*adapted, "blk.2.ffn_down", row));
  }
  Write(R"({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": true, "bias": "none"})");
  const auto stabilised = ModelSource::Open(path, options).value();
  EXPECT_NEAR(Row(*stabilised, "blk.1.ffn_down", 5)[7],
              double{Row(*base, "blk.1.ffn_down", 5)[7]} + Product(kD, 128, 10, 5, 8.0 / 2)[7], 1e-5);
}

// GGUF's Llama rotates neighbours, so its file has row 2 i + j of a head where the checkpoint has i + 8 j.
TEST_F(LoraAdapterTest, RowsOfQAndKFollowTheFilesOrder) {
  const std::string path = Model({});
  Add("model.layers.0.self_attn.q_proj", 64, kD, 20);
  Add("model.layers.0.self_attn.k_proj", 32, kD, 30);
  Add("model.layers.0.self_attn.v_proj", 32, kD, 40);
  const auto base = ModelSource::Open(path).value();
  const auto adapted = ModelSource::Open(path, Write()).value();
  const auto check = [&](const std::string& name, size_t n, uint32_t seed, bool rotated) {
    for (size_t head = 0; head < n / kHead; ++head) {
      for (size_t j = 0; j < 2; ++j) {
        for (size_t i = 0; i < kHead / 2; ++i) {
          const size_t checkpoint = head * kHead + j * kHead / 2 + i;
          const size_t file = rotated ? head * kHead + 2 * i + j : checkpoint;
          const auto before = Row(*base, name, file), after = Row(*adapted, name, file);
          const auto product = Product(n, kD, seed, checkpoint, 2.0);
          for (size_t k = 0; k < kD; ++k) ASSERT_NEAR(after[k], double{before[k]} + product[k], 1e-5) << name;
        }
      }
    }
  };
  check("blk.0.attn_q", 64, 20, true);
  check("blk.0.attn_k", 32, 30, true);
  check("blk.0.attn_v", 32, 40, false);
}

TEST_F(LoraAdapterTest, QuantisedMatricesBecomeQ8OrWhatTheOperatorSays) {
  const std::string path = Model({.dtype = DType::kQ4_1});
  Add("model.layers.1.mlp.gate_proj", 128, kD, 10);
  AdapterOptions options = Write();
  const auto base = ModelSource::Open(path).value();
  const auto type = [&](const std::string& name) {
    PackedArena arena;
    return Linear::Load(*ModelSource::Open(path, options).value(), {name}, false, &arena)
        .parts()[0]
        .weight.dtype();
  };
  EXPECT_EQ(type("blk.1.ffn_gate"), DType::kQ8_0);
  EXPECT_EQ(type("blk.1.ffn_up"), DType::kQ4_1);
  const auto before = Row(*base, "blk.1.ffn_gate", 3);
  const auto product = Product(128, kD, 10, 3, 2.0);
  const auto after = Row(*ModelSource::Open(path, options).value(), "blk.1.ffn_gate", 3);
  for (size_t block = 0; block < kD;
       block += 32) {  // half a step of the block's largest, and its half's rounding
    double largest = 0;
    for (size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::abs(before[i] + product[i]));
    for (size_t i = block; i < block + 32; ++i) {
      ASSERT_NEAR(after[i], before[i] + product[i], largest / 127 * 0.57);
    }
  }
  for (const auto& [name, dtype] :
       {std::pair{"Q4_1", DType::kQ4_1}, {"F16", DType::kF16}, {"F32", DType::kF32}}) {
    options.type = name;
    EXPECT_EQ(type("blk.1.ffn_gate"), dtype);
  }
  // Gate and up of two types are stacked, not in turns.
  options.type = "auto";
  PackedArena arena;
  const auto adapted = ModelSource::Open(path, options).value();
  EXPECT_FALSE(
      Linear::LoadGateUp(*adapted, "blk.1.ffn_gate", "blk.1.ffn_up", false, &arena).gate_up_in_turns());
  EXPECT_TRUE(
      Linear::LoadGateUp(*adapted, "blk.2.ffn_gate", "blk.2.ffn_up", false, &arena).gate_up_in_turns());
}

TEST_F(LoraAdapterTest, TheHashOfTheModelCoversTheAdapterItsScaleAndType) {
  const std::string path = Model({});
  Add("model.layers.1.mlp.down_proj", kD, 128, 10);
  AdapterOptions options = Write();
  std::set<std::string> hashes = {ModelSource::Open(path).value()->ContentHash(),
                                  ModelSource::Open(path, options).value()->ContentHash()};
  options.type = "F16";
  hashes.insert(ModelSource::Open(path, options).value()->ContentHash());
  options = Write(R"({"peft_type": "LORA", "lora_alpha": 9})");
  hashes.insert(ModelSource::Open(path, options).value()->ContentHash());
  Add("model.layers.2.mlp.down_proj", kD, 128, 11);
  options = Write();
  hashes.insert(ModelSource::Open(path, options).value()->ContentHash());
  EXPECT_EQ(hashes.size(), 5U);
  Write(std::string(kConfig) + R"(, "base_model_name_or_path": "elsewhere"})");
  EXPECT_TRUE(hashes.contains(ModelSource::Open(path, options).value()->ContentHash()));
}

TEST_F(LoraAdapterTest, WhatIsNotBuiltIsRefusedByName) {
  const std::string path = Model({});
  EXPECT_THAT(ErrorOf(path, {"/nowhere", "auto"}), HasSubstr("/nowhere/adapter_config.json"));
  Add("model.layers.1.mlp.down_proj", kD, 128, 10);
  const auto config = [&](const std::string& more) { return ErrorOf(path, Write(kConfig + more + "}")); };
  EXPECT_EQ(config(R"(, "use_dora": false, "modules_to_save": null, "rank_pattern": {}, "bias": "none")"),
            "");
  EXPECT_THAT(config(R"(, "use_dora": true)"), HasSubstr("adapter_config.json: key 'use_dora': true"));
  EXPECT_THAT(config(R"(, "modules_to_save": ["lm_head"])"), HasSubstr("'modules_to_save': [\"lm_head\"]"));
  EXPECT_THAT(config(R"(, "bias": "all")"), HasSubstr("'bias': \"all\""));
  EXPECT_THAT(config(R"(, "alpha_pattern": {"q_proj": 3})"), HasSubstr("'alpha_pattern'"));
  EXPECT_THAT(config(R"(, "init_lora_weights": "pissa_niter_16")"), HasSubstr("pissa_niter_16"));
  EXPECT_THAT(ErrorOf(path, Write(R"({"peft_type": "IA3"})")), HasSubstr("\"IA3\" is not \"LORA\""));
  EXPECT_THAT(ErrorOf(path, Write(R"({"peft_type": "LORA"})")), HasSubstr("'lora_alpha' is not a number"));
  AdapterOptions q3 = Write();
  q3.type = "Q3_K";
  EXPECT_THAT(ErrorOf(path, q3), HasSubstr("adapter type 'Q3_K' is not one of auto, F32"));
}

TEST_F(LoraAdapterTest, TensorsThatDoNotFitAreRefusedByName) {
  const std::string path = Model({});
  const auto with = [&](const auto& add) {
    writer_ = SafetensorsWriter();
    add();
    return ErrorOf(path, Write());
  };
  EXPECT_THAT(with([] {}), HasSubstr("adapts nothing"));
  EXPECT_THAT(with([&] { Add("model.layers.9.mlp.down_proj", kD, 128, 1); }),
              HasSubstr("the model has no matrix 'blk.9.ffn_down.weight'"));
  EXPECT_THAT(with([&] { Add("model.layers.1.mlp.down_proj", kD, 96, 1); }),
              HasSubstr("has shape [4, 96], which does not fit blk.1.ffn_down.weight [64, 128]"));
  EXPECT_THAT(with([&] { Add("model.embed_tokens", 256, kD, 1); }), HasSubstr("'token_embd.weight'"));
  EXPECT_THAT(with([&] { Add("lm_head", 256, kD, 1); }), HasSubstr("'output.weight'"));
  EXPECT_THAT(with([&] {
                AddTensor("base_model.model.x.lora_magnitude_vector", {2}, {1, 2});
              }),
              HasSubstr("lora_magnitude_vector' is not a matrix' lora_A.weight"));
  EXPECT_THAT(
      with([&] {
        AddTensor("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight", {4, 128}, Random(512, 1));
      }),
      HasSubstr("lora_A and lora_B of blk.0.ffn_down.weight are not there both"));
  std::vector<float> diverged = Random(512, 1);
  diverged[200] = NAN;
  EXPECT_THAT(
      with([&] {
        AddTensor("base_model.model.model.layers.0.mlp.down_proj.lora_A.weight", {4, 128}, diverged);
      }),
      HasSubstr("model.safetensors: tensor 'base_model.model.model.layers.0.mlp.down_proj.lora_A.weight': "
                "element 200 is nan"));
}

}  // namespace
}  // namespace exeunt
