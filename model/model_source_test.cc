#include "model/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "base/testing/temp_dir.h"
#include "kernels/dequantize.h"
#include "model/testing/gguf_writer.h"
#include "model/testing/random_model.h"

namespace exeunt {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::string Path(const std::string& name) {
  static const TempDir temp;
  return temp / name;
}

std::string WriteRandom(const RandomModelSpec& spec, const std::string& name = "random.gguf") {
  const Status written = WriteRandomModel(spec, Path(name));
  EXPECT_TRUE(written.has_value()) << written.error().message;
  return Path(name);
}

// The smallest llama by hand, so that a test can leave out, add and change what it likes.
struct TinyLlama {
  std::function<void(GgufWriter&)> more_keys = [](GgufWriter&) {};
  std::function<void(GgufWriter&)> more_tensors = [](GgufWriter&) {};
  std::string architecture = "llama";
  std::string without = "";  // a tensor or key to leave out
  int ffn_rows = 3;

  std::string Write() const {
    GgufWriter w;
    w.SetString("general.architecture", architecture);
    const std::pair<const char*, uint32_t> numbers[] = {{"llama.block_count", 1},
                                                        {"llama.context_length", 16},
                                                        {"llama.embedding_length", 8},
                                                        {"llama.feed_forward_length", 3},
                                                        {"llama.attention.head_count", 2}};
    for (const auto& [key, value] : numbers) {
      if (key != without) w.SetUint32(key, value);
    }
    more_keys(w);
    const std::pair<const char*, std::vector<int64_t>> tensors[] = {{"token_embd.weight", {5, 8}},
                                                                    {"output_norm.weight", {8}},
                                                                    {"blk.0.attn_norm.weight", {8}},
                                                                    {"blk.0.attn_q.weight", {8, 8}},
                                                                    {"blk.0.attn_k.weight", {8, 8}},
                                                                    {"blk.0.attn_v.weight", {8, 8}},
                                                                    {"blk.0.attn_output.weight", {8, 8}},
                                                                    {"blk.0.ffn_norm.weight", {8}},
                                                                    {"blk.0.ffn_gate.weight", {ffn_rows, 8}},
                                                                    {"blk.0.ffn_up.weight", {3, 8}},
                                                                    {"blk.0.ffn_down.weight", {8, 3}}};
    for (const auto& [name, shape] : tensors) {
      if (name != without) Add(w, name, shape);
    }
    more_tensors(w);
    EXPECT_TRUE(w.WriteTo(Path("tiny.gguf")).has_value());
    return Path("tiny.gguf");
  }

  static void Add(GgufWriter& w, const std::string& name, const std::vector<int64_t>& shape) {
    size_t n = 1;
    for (int64_t d : shape) n *= static_cast<size_t>(d);
    w.AddTensor(name, DType::kF32, shape, std::vector<std::byte>(4 * n));
  }

  Result<std::shared_ptr<const ModelSource>> Open() const { return ModelSource::Open(Write()); }

  // The message after the path; "" for a model that opens.
  std::string Error() const {
    const auto model = Open();
    if (model) return "";
    EXPECT_THAT(model.error().message, StartsWith(Path("tiny.gguf") + ": "));
    return model.error().message.substr(Path("tiny.gguf").size() + 2);
  }
};

TEST(ModelSource, OpensEveryArchitectureAndType) {
  for (const char* architecture : {"llama", "qwen2", "qwen3"}) {
    for (DType type : kAllDTypes) {
      RandomModelSpec spec{.architecture = architecture,
                           .n_layers = 2,
                           .d_model = 256,
                           .n_heads = 4,
                           .head_dim = 64,
                           .d_ff = 512,
                           .vocab_size = 300,
                           .dtype = type,
                           .embedding_dtype = type,
                           .tied = false};
      const auto model = ModelSource::Open(WriteRandom(spec));
      ASSERT_TRUE(model.has_value()) << model.error().message;
      const ModelConfig& c = (*model)->config();
      EXPECT_EQ(c.architecture, architecture);
      EXPECT_EQ(c.n_layers, 2);
      EXPECT_EQ(c.d_model, 256);
      EXPECT_EQ(c.n_heads, 4);
      EXPECT_EQ(c.n_kv_heads, 2);
      EXPECT_EQ(c.head_dim, 64);
      EXPECT_EQ(c.d_ff, 512);
      EXPECT_EQ(c.vocab_size, 300);
      EXPECT_EQ(c.context_length, 512);
      EXPECT_FALSE(c.tied_embeddings);
      EXPECT_EQ(c.rope_style, c.architecture == "llama" ? RopeStyle::kInterleaved : RopeStyle::kHalves);
      const TensorView* const k = (*model)->Find("blk.1.attn_k.weight");
      ASSERT_NE(k, nullptr);
      EXPECT_EQ(k->dtype, type);
      EXPECT_THAT(k->shape, ElementsAre(128, 256));
      EXPECT_EQ((*model)->Find("blk.1.attn_k.bias") != nullptr, c.architecture == "qwen2");
      EXPECT_EQ((*model)->Find("blk.1.attn_k_norm.weight") != nullptr, c.architecture == "qwen3");
      EXPECT_EQ((*model)->directory(), "");
    }
  }
}

TEST(ModelSource, ReadsTheKeysOfRope) {
  TinyLlama tiny;
  tiny.more_keys = [](GgufWriter& w) {
    w.SetFloat32("llama.rope.freq_base", 5e5F);
    w.SetString("llama.rope.scaling.type", "yarn");
    w.SetFloat32("llama.rope.scaling.factor", 4.0F);
    w.SetUint32("llama.rope.scaling.original_context_length", 4096);
    w.SetFloat32("llama.rope.scaling.attn_factor", 2.0F);
    w.SetFloat32("llama.rope.scaling.yarn_beta_fast", 16.0F);
    w.SetUint32("llama.attention.sliding_window", 12);
    w.SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-6F);
  };
  tiny.more_tensors = [](GgufWriter& w) {
    const float factors[] = {1.0F, 8.0F};
    w.AddTensor("rope_freqs.weight", DType::kF32, {2}, std::as_bytes(std::span(factors)));
  };
  const auto model = tiny.Open();
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const ModelConfig& c = (*model)->config();
  EXPECT_EQ(c.rope_theta, 5e5F);
  EXPECT_EQ(c.rope_scaling.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(c.rope_scaling.factor, 4.0F);
  EXPECT_EQ(c.rope_scaling.original_context, 4096);
  EXPECT_FLOAT_EQ(c.rope_scaling.attention_factor, 2.0F * (0.1F * std::log(4.0F) + 1.0F));
  EXPECT_EQ(c.rope_scaling.beta_fast, 16.0F);
  EXPECT_EQ(c.rope_scaling.beta_slow, 1.0F);
  EXPECT_THAT(c.rope_freq_factors, ElementsAre(1.0F, 8.0F));
  EXPECT_EQ(c.sliding_window, 12);
  EXPECT_EQ(c.norm_eps, 1e-6F);

  tiny = {};
  tiny.more_keys = [](GgufWriter& w) { w.SetFloat32("llama.rope.scale_linear", 2.0F); };
  const auto linear = tiny.Open();
  ASSERT_TRUE(linear.has_value()) << linear.error().message;
  EXPECT_EQ((*linear)->config().rope_scaling.kind, RopeScalingKind::kLinear);
  EXPECT_EQ((*linear)->config().rope_scaling.factor, 2.0F);
  EXPECT_EQ((*linear)->config().n_kv_heads, 2);
  EXPECT_EQ((*linear)->config().vocab_size, 5);
  EXPECT_TRUE((*linear)->config().tied_embeddings);
}

TEST(ModelSource, RefusesKeysByName) {
  const auto error_of = [](auto set) {
    TinyLlama tiny;
    tiny.more_keys = set;
    return tiny.Error();
  };
  EXPECT_EQ(TinyLlama{}.Error(), "");
  EXPECT_EQ(TinyLlama{.architecture = "gemma3"}.Error(),
            "metadata key 'general.architecture' is 'gemma3', known are llama, qwen2, qwen3");
  EXPECT_EQ(TinyLlama{.without = "llama.block_count"}.Error(), "metadata key 'llama.block_count' is missing");
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetUint32("llama.expert_count", 8); }),
              HasSubstr("'llama.expert_count' is 8"));
  EXPECT_THAT(
      error_of([](GgufWriter& w) {
        w.SetInt32s("llama.attention.head_count_kv", {1, 2});
      }),
      HasSubstr("'llama.attention.head_count_kv' is 1 for layer 0 and 2 for layer 1; only layers that are"));
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetUint32("llama.attention.head_count_kv", 0); }),
              HasSubstr("number of K/V heads is 0, the limit is 1 to 2"));
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetUint64("llama.vocab_size", 1ULL << 40); }),
              HasSubstr("'llama.vocab_size' is 1099511627776"));
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetUint32("llama.rope.dimension_count", 2); }),
              HasSubstr("'llama.rope.dimension_count' is 2, only 4 is supported"));
  EXPECT_EQ(error_of([](GgufWriter& w) { w.SetFloat32("llama.logit_scale", 2.0F); }),
            "metadata key 'llama.logit_scale' is 2, only 0 or 1 is supported");
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetString("llama.rope.scaling.type", "longrope"); }),
              HasSubstr("'longrope'"));
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetFloat32("llama.rope.freq_base", -1.0F); }),
              HasSubstr("rope_theta is -1"));
  EXPECT_THAT(error_of([](GgufWriter& w) { w.SetFloat32("llama.rope.freq_base", NAN); }),
              HasSubstr("'llama.rope.freq_base' is nan"));
  EXPECT_THAT(
      error_of([](GgufWriter& w) { w.SetFloat32("llama.attention.layer_norm_rms_epsilon", INFINITY); }),
      HasSubstr("layer_norm_rms_epsilon"));
}

TEST(ModelSource, RefusesTensorsByName) {
  EXPECT_EQ(TinyLlama{.without = "blk.0.attn_v.weight"}.Error(), "tensor 'blk.0.attn_v.weight' is missing");
  EXPECT_EQ(TinyLlama{.without = "token_embd.weight"}.Error(), "tensor 'token_embd.weight' is missing");
  EXPECT_EQ(TinyLlama{.ffn_rows = 4}.Error(),
            "tensor 'blk.0.ffn_gate.weight' has the shape [4, 8], expected [3, 8]");
  TinyLlama tiny;
  tiny.more_tensors = [](GgufWriter& w) { TinyLlama::Add(w, "blk.0.attn_output.bias", {8}); };
  EXPECT_EQ(tiny.Error(), "unknown tensor 'blk.0.attn_output.bias'");
  tiny.more_tensors = [](GgufWriter& w) { TinyLlama::Add(w, "blk.1.attn_norm.weight", {8}); };
  EXPECT_EQ(tiny.Error(), "unknown tensor 'blk.1.attn_norm.weight'");
  tiny.more_tensors = [](GgufWriter& w) { TinyLlama::Add(w, "rope_freqs.weight", {3}); };
  EXPECT_EQ(tiny.Error(), "tensor 'rope_freqs.weight' is not F32 of shape [2]");
  tiny.more_tensors = [](GgufWriter& w) { TinyLlama::Add(w, "rope_freqs.weight", {2}); };  // all 0
  EXPECT_THAT(tiny.Error(), HasSubstr("rope frequency factor 0 is 0"));
  tiny.more_tensors = [](GgufWriter& w) { w.AddRawTensor("blk.0.attn_q.bias", 16, {256}, 0); };
  EXPECT_THAT(tiny.Error(),
              StartsWith("tensor 'blk.0.attn_q.bias': element type IQ2_XXS (ggml's number 16) is not "
                         "supported; supported are F32, F16, BF16, Q8_0,"));
}

TEST(ModelSource, RefusesPaths) {
  const auto missing = ModelSource::Open("/nowhere/model.gguf");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message, StartsWith("/nowhere/model.gguf: "));
}

TEST(ModelSource, ContentHashBindsNamesTypesShapesAndBytes) {
  const RandomModelSpec spec;
  const auto hash = [](const std::string& path) {
    const auto model = ModelSource::Open(path);
    EXPECT_TRUE(model.has_value()) << model.error().message;
    EXPECT_EQ((*model)->ContentHash(), (*model)->ContentHash());
    return (*model)->ContentHash();
  };
  const std::string first = hash(WriteRandom(spec));
  EXPECT_EQ(first.size(), 64U);
  EXPECT_EQ(first, hash(WriteRandom(spec, "again.gguf")));
  RandomModelSpec other = spec;
  other.seed = 2;
  EXPECT_NE(first, hash(WriteRandom(other)));
  other = spec;
  other.dtype = DType::kF16;
  EXPECT_NE(first, hash(WriteRandom(other)));
}

TEST(ModelSource, ReleasedPagesComeBack) {
  const auto model = ModelSource::Open(WriteRandom({.d_ff = 1024}));
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const TensorView* const tensor = (*model)->Find("blk.2.ffn_up.weight");
  ASSERT_NE(tensor, nullptr);
  const std::vector<std::byte> before(tensor->bytes.begin(), tensor->bytes.end());
  (*model)->ReleasePages(*tensor);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), tensor->bytes.begin(), tensor->bytes.end()));
}

// deploy/get_model.sh puts it there; tests/run.sh calls that first.
std::string DefaultModelPath() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  const char* const home = std::getenv("HOME");
  const std::string root =
      cache != nullptr && *cache != '\0' ? cache : std::string(home == nullptr ? "" : home) + "/.cache";
  return root + "/exeunt/models/SmolLM2-135M-Instruct.Q4_1.gguf";
}

TEST(ModelSource, OpensTheDefaultModel) {
  const std::string path = DefaultModelPath();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing; deploy/get_model.sh fetches it";
  const auto opened = ModelSource::Open(path);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const ModelSource& model = **opened;
  const ModelConfig& c = model.config();
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_EQ(c.n_layers, 30);
  EXPECT_EQ(c.d_model, 576);
  EXPECT_EQ(c.n_heads, 9);
  EXPECT_EQ(c.n_kv_heads, 3);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.d_ff, 1536);
  EXPECT_EQ(c.vocab_size, 49152);
  EXPECT_EQ(c.context_length, 8192);
  EXPECT_FLOAT_EQ(c.norm_eps, 1e-5F);
  EXPECT_EQ(c.rope_theta, 100000.0F);
  EXPECT_EQ(c.rope_style, RopeStyle::kInterleaved);
  EXPECT_TRUE(c.tied_embeddings);
  EXPECT_EQ(model.tensors().size(), 272U);
  EXPECT_EQ(FindGguf<std::vector<std::string>>(model.metadata(), "tokenizer.ggml.tokens")->size(), 49152U);
  // The same sum and values by Python's hashlib and the `gguf` package.
  EXPECT_EQ(model.ContentHash(), "90057ced3b1c48a99f850c5e96fd3275a49a5bf39db2193d89a1ffb762a973b9");
  const TensorView* const down = model.Find("blk.29.ffn_down.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->dtype, DType::kQ4_1);
  EXPECT_THAT(down->shape, ElementsAre(576, 1536));
  std::vector<float> row(1536);
  DequantizeRow(down->dtype, down->bytes.data() + 575 * RowBytes(down->dtype, 1536), row.data(), row.size());
  EXPECT_THAT(std::vector<float>(row.end() - 3, row.end()), ElementsAre(0x1.ap-3F, -0x1.7p-4F, 0x1.dp-5F));
}

TEST(ModelOverrides, ErrorsNameTheOption) {
  const TempDir temp;
  const std::string path = temp / "model.gguf";
  ASSERT_TRUE(WriteRandomModel({}, path));
  const auto error_of = [&](const std::string& scaling) {
    const auto source = ModelSource::Open(path, {}, {.rope_scaling = scaling});
    return source ? "" : source.error().message;
  };
  EXPECT_EQ(error_of(R"({"rope_type":"yarn","factor":4})"), "");
  EXPECT_THAT(error_of("{bad"), HasSubstr("--rope-scaling '{bad': offset 1: not JSON"));
  EXPECT_THAT(error_of("[1]"), HasSubstr("--rope-scaling '[1]': offset 0: not a JSON object"));
  EXPECT_THAT(error_of(R"({"rope_type":"ntk"})"), HasSubstr("key 'rope_type' is 'ntk', known are"));
  const auto wide = ModelSource::Open(path, {}, {.rope_scaling = "", .context_length = 4096});
  ASSERT_TRUE(wide);
  EXPECT_EQ((*wide)->config().context_length, 4096);
  EXPECT_THAT((*wide)->config().warnings,
              testing::ElementsAre(HasSubstr("context length 4096 is more than the model's 512")));
}

}  // namespace
}  // namespace exeunt
