#include "model/testing/random_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"
#include "kernels/dequantize.h"
#include "kernels/quantize.h"
#include "model/model_source.h"

namespace exeunt {
namespace {

using testing::HasSubstr;

std::shared_ptr<const ModelSource> Make(const RandomModelSpec& spec) {
  const TempDir temp;
  const std::string path = temp / "model.gguf";
  const Status written = WriteRandomModel(spec, path);
  EXPECT_TRUE(written.has_value()) << written.error().message;
  auto model = ModelSource::Open(path);
  EXPECT_TRUE(model.has_value()) << model.error().message;
  return *model;
}

std::vector<float> Values(const ModelSource& model, const std::string& name) {
  const TensorView& t = *model.Find(name);
  std::vector<float> values(static_cast<size_t>(t.shape[0] * (t.shape.size() > 1 ? t.shape[1] : 1)));
  DequantizeRow(t.dtype, t.bytes.data(), values.data(), values.size());
  return values;
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};

Moments MomentsOf(const std::vector<float>& v) {
  Moments m;
  for (float x : v) m.mean += static_cast<double>(x) / static_cast<double>(v.size());
  for (float x : v)
    m.deviation += std::pow(static_cast<double>(x) - m.mean, 2) / static_cast<double>(v.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// Deviations from the mean of n draws are within 5 sigma: 5 / sqrt(n); of the deviation, within 5 / sqrt(2n).
TEST(RandomModel, WeightsAreScaledAndVary) {
  const auto model = Make({});
  for (const char* name : {"blk.0.attn_q.weight", "blk.3.ffn_down.weight", "token_embd.weight"}) {
    const std::vector<float> v = Values(*model, name);
    const auto n = static_cast<double>(v.size());
    const Moments m = MomentsOf(v);
    const double expected = 1 / std::sqrt(static_cast<double>(model->Find(name)->shape[1]));
    EXPECT_NEAR(m.mean, 0, 5 * expected / std::sqrt(n)) << name;
    EXPECT_NEAR(m.deviation, expected, 5 * expected / std::sqrt(2 * n)) << name;
    EXPECT_GT(std::set<float>(v.begin(), v.end()).size(), v.size() * 9 / 10) << name;
  }
  EXPECT_NEAR(MomentsOf(Values(*model, "blk.1.ffn_norm.weight")).mean, 1, 0.1);
  EXPECT_NE(Values(*model, "blk.0.ffn_up.weight"), Values(*model, "blk.1.ffn_up.weight"));
  EXPECT_NE(Values(*model, "blk.0.ffn_up.weight"), Values(*model, "blk.0.ffn_gate.weight"));
}

TEST(RandomModel, DependsOnTheSpecAlone) {
  const std::string hash = Make({})->ContentHash();
  EXPECT_EQ(hash, Make({})->ContentHash());
  EXPECT_NE(hash, Make({.seed = 2})->ContentHash());
  // The same on every compiler and machine.
  EXPECT_EQ(hash, "9e039458bda07fc854beb2e6b5228abfd70c307e48dee291fc41248f5c402dad");
}

TEST(RandomModel, HasAByteLevelTokenizerWhereThereIsRoom) {
  EXPECT_FALSE(Make({})->metadata().contains("tokenizer.ggml.model"));
  const auto model = Make({.vocab_size = 261});
  const auto* tokens = FindGguf<std::vector<std::string>>(model->metadata(), "tokenizer.ggml.tokens");
  ASSERT_NE(tokens, nullptr);
  ASSERT_EQ(tokens->size(), 261U);
  EXPECT_EQ((*tokens)['A'], "A");
  EXPECT_EQ((*tokens)[' '], "Ġ");
  EXPECT_EQ((*tokens)[0], "Ā");
  EXPECT_EQ((*tokens)[0xAD], "Ń");
  EXPECT_EQ((*tokens)[0xFF], "ÿ");
  EXPECT_EQ((*tokens)[258], "<|im_end|>");
  EXPECT_EQ(std::set<std::string>(tokens->begin(), tokens->end()).size(), 261U);
  EXPECT_EQ(*FindGguf<int64_t>(model->metadata(), "tokenizer.ggml.eos_token_id"), 258);
}

TEST(RandomModel, RowsMustFitTheBlock) {
  const Status status = WriteRandomModel({.dtype = DType::kQ4_K}, TempDir() / "model.gguf");
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message,
              HasSubstr("rows of 64 elements are not a multiple of Q4_K's block of 256"));
}

// The greatest error of rounding to nearest, relative to the block's greatest magnitude A. With L levels and
// both a scale and a minimum, a step is at most 2A / L, and half of it is lost; 6-bit scales lose as much as
// half of 1/63 of the step at each of L levels, and of the minimum, on top; halves lose 2^-11 of either, and
// small ones 2^-25.
double Tolerance(DType type) {
  switch (type) {
    case DType::kF32:
      return 0;
    case DType::kF16:
      return 0x1p-11;
    case DType::kBF16:
      return 0x1p-8;
    case DType::kQ8_0:
      return 0.5 / 127 + 0x1p-10;
    case DType::kQ4_0:
      return 1.0 / 8 + 0x1p-10;  // the level +8 does not exist
    case DType::kQ4_1:
      return 1.0 / 15 + 0x1p-9;
    case DType::kQ5_0:
      return 1.0 / 16 + 0x1p-10;
    case DType::kQ5_1:
      return 1.0 / 31 + 0x1p-9;
    case DType::kQ2_K:  // half a step, scales and minimum of 4 bits
      return 1.0 / 3 + 1.5 / 15 + 0x1p-8;
    case DType::kQ3_K:  // the level +4 does not exist; a scale may be off by one step of 32, at each of 4
                        // levels
      return 1.0 / 4 + 1.0 / 32 + 0x1p-8;
    case DType::kIQ4_NL:  // the largest level is 113 of 127
      return 14.0 / 127 + 0x1p-10;
    case DType::kIQ4_XS:
      return 14.0 / 127 + 1.0 / 32 + 0x1p-8;
    case DType::kQ4_K:
      return 1.0 / 15 + 1.5 / 63 + 0x1p-8;
    case DType::kQ5_K:
      return 1.0 / 31 + 1.5 / 63 + 0x1p-8;
    case DType::kQ6_K:
      return 1.0 / 32 + 0.5 / 127 + 0x1p-8;  // the level +32 does not exist
  }
  return 0;
}

TEST(Quantize, ComesBackWithinTheStep) {
  const auto source = Make({.d_model = 1024, .vocab_size = 16});
  std::vector<float> values = Values(*source, "token_embd.weight");
  for (size_t i = 0; i < 256; ++i) values[i] = 0;                      // zero blocks
  for (size_t i = 256; i < 512; ++i) values[i] = std::abs(values[i]);  // no negative minimum
  for (size_t i = 512; i < 768; ++i) values[i] = -std::abs(values[i]);
  for (DType type : kAllDTypes) {
    const std::vector<std::byte> bytes = QuantizeRow(type, values);
    ASSERT_EQ(bytes.size(), RowBytes(type, values.size()));
    std::vector<float> back(values.size());
    DequantizeRow(type, bytes.data(), back.data(), back.size());
    const auto block = static_cast<size_t>(Info(type).block_elements);
    for (size_t i = 0; i < values.size(); ++i) {
      double largest = 0;
      for (size_t j = i / block * block; j < i / block * block + block; ++j) {
        largest = std::max(largest, std::abs(static_cast<double>(values[j])));
      }
      const double error = std::abs(static_cast<double>(back[i]) - static_cast<double>(values[i]));
      ASSERT_TRUE(error <= Tolerance(type) * largest + 0x1p-25)
          << Info(type).name << " element " << i << ": " << back[i] << " for " << values[i];
    }
  }
}

}  // namespace
}  // namespace exeunt
