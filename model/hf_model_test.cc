#include "model/hf_model.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/testing/temp_dir.h"
#include "model/model_source.h"
#include "model/safetensors.h"
#include "model/safetensors_writer.h"
#include "model/testing/gguf_writer.h"

namespace exeunt {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A complete config of one layer; `more` adds keys (a repeated key has its last value).
std::string Config(const std::string& more = "", const std::string& architecture = "LlamaForCausalLM") {
  return R"({"architectures":[")" + architecture +
         R"("],"num_hidden_layers":1,"hidden_size":8,"vocab_size":5,)" +
         R"("intermediate_size":3,"num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":64,)" +
         R"("torch_dtype":"float32","rms_norm_eps":1e-05)" + (more.empty() ? "" : "," + more) + "}";
}

ModelConfig Parsed(const std::string& text) {
  const auto config = ParseHfConfig(text);
  EXPECT_TRUE(config.has_value()) << config.error().message;
  return config ? *config : ModelConfig();
}

std::string ErrorOf(const std::string& more, const std::string& architecture = "LlamaForCausalLM") {
  const auto config = ParseHfConfig(Config(more, architecture));
  return config ? "" : config.error().message;
}

TEST(HfConfig, ReadsTheShapeOfTheModel) {
  const ModelConfig c =
      Parsed(Config(R"("rope_theta":500000.0,"tie_word_embeddings":true,"bos_token_id":1)"));
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_EQ(c.n_layers, 1);
  EXPECT_EQ(c.d_model, 8);
  EXPECT_EQ(c.n_heads, 2);
  EXPECT_EQ(c.n_kv_heads, 1);
  EXPECT_EQ(c.head_dim, 4);
  EXPECT_EQ(c.d_ff, 3);
  EXPECT_EQ(c.vocab_size, 5);
  EXPECT_EQ(c.context_length, 64);
  EXPECT_EQ(c.norm_eps, 1e-5F);
  EXPECT_EQ(c.rope_theta, 5e5F);
  EXPECT_EQ(c.rope_style, RopeStyle::kHalves);
  EXPECT_EQ(c.rope_scaling.kind, RopeScalingKind::kNone);
  EXPECT_TRUE(c.tied_embeddings);
  EXPECT_EQ(c.sliding_window, 0);
  EXPECT_FALSE(Parsed(Config()).tied_embeddings);
  EXPECT_EQ(Parsed(Config(R"("head_dim":6)")).head_dim, 6);
  EXPECT_EQ(Parsed(Config(R"("head_dim":null,"rope_scaling":null)")).head_dim, 4);
  EXPECT_EQ(Parsed(Config("", "Qwen3ForCausalLM")).head_dim, 128);  // its default
  EXPECT_EQ(Parsed(Config("", "Qwen2ForCausalLM")).architecture, "qwen2");
  EXPECT_EQ(Parsed(Config("", "MistralForCausalLM")).architecture, "mistral");
}

TEST(HfConfig, ReadsRopeScalingInEverySpelling) {
  const char* const llama3 =
      R"("factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192)";
  const std::string spellings[] = {
      R"("rope_theta":500000,"rope_scaling":{"rope_type":"llama3",)" + std::string(llama3) + "}",
      R"("rope_theta":500000,"rope_scaling":{"type":"llama3",)" + std::string(llama3) + "}",
      R"("rope_parameters":{"rope_type":"llama3","rope_theta":500000.0,)" + std::string(llama3) + "}"};
  for (const std::string& spelling : spellings) {
    const ModelConfig c = Parsed(Config(spelling));
    EXPECT_EQ(c.rope_theta, 5e5F) << spelling;
    EXPECT_EQ(c.rope_scaling.kind, RopeScalingKind::kLlama3) << spelling;
    EXPECT_EQ(c.rope_scaling.factor, 8.0F);
    EXPECT_EQ(c.rope_scaling.low_freq_factor, 1.0F);
    EXPECT_EQ(c.rope_scaling.high_freq_factor, 4.0F);
    EXPECT_EQ(c.rope_scaling.original_context, 8192);
  }
  const ModelConfig yarn = Parsed(Config(
      R"("rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":32768,"beta_fast":16,)"
      R"("beta_slow":2,"attention_factor":1.25})"));
  EXPECT_EQ(yarn.rope_scaling.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(yarn.rope_scaling.factor, 4.0F);
  EXPECT_EQ(yarn.rope_scaling.original_context, 32768);
  EXPECT_EQ(yarn.rope_scaling.beta_fast, 16.0F);
  EXPECT_EQ(yarn.rope_scaling.beta_slow, 2.0F);
  EXPECT_EQ(yarn.rope_scaling.attention_factor, 1.25F);
  const ModelConfig linear = Parsed(Config(R"("rope_scaling":{"type":"linear","factor":2.0})"));
  EXPECT_EQ(linear.rope_scaling.kind, RopeScalingKind::kLinear);
  EXPECT_EQ(linear.rope_scaling.factor, 2.0F);
  const ModelConfig plain =
      Parsed(Config(R"("rope_parameters":{"rope_type":"default","rope_theta":1000.0})"));
  EXPECT_EQ(plain.rope_scaling.kind, RopeScalingKind::kNone);
  EXPECT_EQ(plain.rope_theta, 1000.0F);
}

// vLLM's rule; more in tests/golden/rope_golden_test.cc.
TEST(HfConfig, ContextsAreThoseOfTheScaledModel) {
  const auto context = [](const std::string& scaling) {
    return Parsed(Config(R"("max_position_embeddings":4096,"rope_scaling":)" + scaling)).context_length;
  };
  EXPECT_EQ(context("null"), 4096);
  EXPECT_EQ(context(R"({"type":"yarn","factor":4,"original_max_position_embeddings":512})"), 2048);
  EXPECT_EQ(context(R"({"type":"yarn","factor":4})"), 16384);
  EXPECT_EQ(context(R"({"type":"linear","factor":2.5})"), 10240);
  EXPECT_EQ(context(R"({"type":"linear","factor":2,"original_max_position_embeddings":2048})"), 4096);
  EXPECT_EQ(context(R"({"type":"linear","factor":2.3})"), 9420);  // 9420.8
  EXPECT_EQ(context(R"({"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,)"
                    R"("original_max_position_embeddings":1024})"),
            4096);  // scaled already
  EXPECT_EQ(Parsed(Config()).unscaled_context_length, 64);
}

// transformers' standardize_rope_params: the key beside the object comes first, but for linear scaling.
TEST(HfConfig, TheOriginalContextMayStandBesideTheObject) {
  const auto parsed = [](const std::string& scaling) {
    return Parsed(
        Config(R"("max_position_embeddings":512,"original_max_position_embeddings":128,)" + scaling));
  };
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const ModelConfig yarn = parsed(fmt::format(R"("{}":{{"rope_type":"yarn","factor":4.0}})", key));
    EXPECT_EQ(yarn.rope_scaling.original_context, 128);
    EXPECT_EQ(yarn.context_length, 512);
    EXPECT_TRUE(yarn.warnings.empty());
  }
  EXPECT_EQ(parsed(R"("rope_scaling":{"type":"yarn","factor":2,"original_max_position_embeddings":64})")
                .rope_scaling.original_context,
            128);
  EXPECT_EQ(parsed(R"("rope_scaling":{"type":"llama3","factor":8})").rope_scaling.original_context, 128);
  EXPECT_EQ(parsed(R"("rope_scaling":{"type":"linear","factor":2})").context_length, 1024);
}

// vLLM takes the smallest of the keys that say a context length, and 2048 where none does.
TEST(HfConfig, TheSmallestContextLengthCounts) {
  for (const char* key :
       {"model_max_length", "max_sequence_length", "max_seq_len", "n_positions", "seq_length"}) {
    EXPECT_EQ(Parsed(Config(fmt::format(R"("{}":32)", key))).context_length, 32) << key;
    EXPECT_EQ(Parsed(Config(fmt::format(R"("{}":1e30)", key))).context_length, 64) << key;
  }
  EXPECT_EQ(Parsed(Config(R"("seq_len":16,"rope_scaling":{"type":"linear","factor":2})")).context_length, 32);
  EXPECT_EQ(Parsed(Config(R"("max_position_embeddings":128.0)")).context_length, 128);
  const ModelConfig none = Parsed(Config(R"("max_position_embeddings":null)"));
  EXPECT_EQ(none.context_length, 2048);
  EXPECT_THAT(none.warnings, ElementsAre(HasSubstr("'max_position_embeddings' is missing, 2048 is assumed")));
  EXPECT_THAT(ErrorOf(R"("max_seq_len":0)"), HasSubstr("key 'max_seq_len' is 0, it must be at least 1"));
  EXPECT_THAT(ErrorOf(R"("hidden_size":8.5)"), HasSubstr("expected a whole number"));
}

TEST(HfConfig, KeysWithoutEffectAreListedOnce) {
  const auto warnings = [](const std::string& more) { return Parsed(Config(more)).warnings; };
  EXPECT_THAT(
      warnings(R"("torch_dtype":"float16","use_cache":true,"_name_or_path":"x","quantization_config":null)"),
      IsEmpty());
  EXPECT_THAT(warnings(R"("unsloth_fixed":true,"final_logit_softcapping":30.0,"mamba":{"a":1},"gone":null)"),
              ElementsAre("config.json: keys that no llama reads are ignored: 'unsloth_fixed', "
                          "'final_logit_softcapping', 'mamba'"));
  EXPECT_THAT(warnings(R"("rope_scaling":{"type":"linear","factor":2,"beta_fast":32,"finetuned":true})"),
              ElementsAre("rope scaling: keys without effect are ignored: 'beta_fast', 'finetuned'"));
  std::string many;
  for (int i = 0; i < 30; ++i) many += fmt::format(R"({}"key_{}":1)", i == 0 ? "" : ",", i);
  EXPECT_THAT(warnings(many), ElementsAre(HasSubstr("'key_19' and 10 more")));
  // vLLM reads these, and they would change the computation.
  EXPECT_THAT(ErrorOf(R"("logit_scale":0.5)"), HasSubstr("key 'logit_scale' is 5E-1, only 1 is supported"));
  EXPECT_THAT(ErrorOf(R"("bias":true)"), HasSubstr("key 'bias' is true, only false is supported"));
  EXPECT_THAT(ErrorOf(R"("rope_is_neox_style":false)"), HasSubstr("key 'rope_is_neox_style' is false"));
}

TEST(HfConfig, ReadsSlidingWindows) {
  EXPECT_EQ(Parsed(Config(R"("sliding_window":16)", "MistralForCausalLM")).sliding_window, 16);
  EXPECT_EQ(Parsed(Config(R"("sliding_window":null)", "MistralForCausalLM")).sliding_window, 0);
  EXPECT_EQ(Parsed(Config("", "MistralForCausalLM")).sliding_window, 4096);  // its default
  EXPECT_EQ(Parsed(Config("", "Qwen2ForCausalLM")).sliding_window, 0);
  const std::string unused = R"("sliding_window":16,"use_sliding_window":false,"max_window_layers":1)";
  EXPECT_EQ(Parsed(Config(unused, "Qwen2ForCausalLM")).sliding_window, 0);
  const std::string used = R"("sliding_window":16,"use_sliding_window":true,"max_window_layers":0)";
  EXPECT_EQ(Parsed(Config(used, "Qwen2ForCausalLM")).sliding_window, 16);
  const std::string above = R"("sliding_window":16,"use_sliding_window":true,"max_window_layers":1)";
  EXPECT_EQ(Parsed(Config(above, "Qwen3ForCausalLM")).sliding_window, 0);
  const std::string mixed =
      R"("num_hidden_layers":4,"sliding_window":16,"use_sliding_window":true,"max_window_layers":2)";
  EXPECT_THAT(ErrorOf(mixed, "Qwen2ForCausalLM"), HasSubstr("key 'max_window_layers' is 2"));
  EXPECT_EQ(ErrorOf(R"("layer_types":["full_attention"])"), "");
  EXPECT_THAT(ErrorOf(R"("layer_types":["sliding_attention"])"),
              HasSubstr("key 'layer_types' has \"sliding_attention\""));
}

TEST(HfConfig, ErrorsNameKeyAndValue) {
  EXPECT_THAT(ErrorOf("", "GemmaForCausalLM"), HasSubstr(R"(key 'architectures' is ["GemmaForCausalLM"])"));
  EXPECT_THAT(ErrorOf(R"("hidden_act":"gelu")"), HasSubstr(R"(key 'hidden_act' is "gelu", only "silu")"));
  EXPECT_THAT(ErrorOf(R"("attention_bias":true)"), HasSubstr("key 'attention_bias' is true"));
  EXPECT_EQ(ErrorOf(R"("attention_bias":true)", "Qwen2ForCausalLM"), "");
  EXPECT_THAT(ErrorOf(R"("mlp_bias":true)"), HasSubstr("key 'mlp_bias' is true"));
  EXPECT_THAT(ErrorOf(R"("quantization_config":{"bits":4})"), HasSubstr("key 'quantization_config'"));
  EXPECT_THAT(ErrorOf(R"("num_local_experts":8)"), HasSubstr("key 'num_local_experts' is 8"));
  EXPECT_THAT(ErrorOf(R"("partial_rotary_factor":0.5)"), HasSubstr("key 'partial_rotary_factor' is 0.5"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"rope_type":"dynamic","factor":2})"),
              HasSubstr("key 'rope_scaling': key 'rope_type' is 'dynamic'"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"type":"linear"})"), HasSubstr("key 'factor' is missing"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"factor":2})"), HasSubstr("key 'rope_type' is missing"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"type":"yarn","rope_type":"linear","factor":2})"),
              HasSubstr("key 'type' is 'yarn' and key 'rope_type' is 'linear'"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"type":"linear","factor":0})"), HasSubstr("key 'factor' is 0"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"type":"linear","factor":2,"long_factor":[1]})"),
              HasSubstr("key 'long_factor' is [1], which is not supported"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"type":"yarn","factor":2,"attn_factor":0})"),
              HasSubstr("key 'attn_factor' makes the magnitude 0"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling":{"type":"yarn","factor":4,"attn_factor":2,"attention_factor":1})"),
              HasSubstr("give two magnitudes, 1 and 2.27"));
  EXPECT_THAT(ErrorOf(R"("rope_parameters":{"rope_theta":1e4,"partial_rotary_factor":0.25})"),
              HasSubstr("key 'rope_parameters': key 'partial_rotary_factor' is 0.25"));
  EXPECT_EQ(ErrorOf(R"("rope_parameters":{"rope_theta":1e4,"partial_rotary_factor":1})"), "");
  EXPECT_THAT(ErrorOf(R"("rope_scaling":7)"), HasSubstr("key 'rope_scaling' is 7, expected an object"));
  EXPECT_THAT(ErrorOf(R"("hidden_size":"8")"),
              HasSubstr(R"(key 'hidden_size' is "8", expected a whole number)"));
  EXPECT_THAT(ErrorOf(R"("hidden_size":null)"), HasSubstr("key 'hidden_size' is missing"));
  EXPECT_THAT(ErrorOf(R"("hidden_size":9)"), HasSubstr("key 'hidden_size' 9 is not a multiple"));
  EXPECT_THAT(ErrorOf(R"("num_attention_heads":0)"), HasSubstr("'num_attention_heads' 0"));
  EXPECT_THAT(ErrorOf(R"("num_hidden_layers":2000000)"),
              HasSubstr("number of layers is 2000000, the limit is 1 to 1024"));
  EXPECT_THAT(ErrorOf(R"("rope_theta":1e999)"), HasSubstr("rope_theta"));
  EXPECT_THAT(ErrorOf(R"("tie_word_embeddings":1)"),
              HasSubstr("key 'tie_word_embeddings' is 1, expected true or false"));
  EXPECT_FALSE(ParseHfConfig("").has_value());
  EXPECT_FALSE(ParseHfConfig("null").has_value());
}

TEST(HfNames, AreTranslated) {
  EXPECT_EQ(GgufNameOfHfTensor("model.embed_tokens.weight").value(), "token_embd.weight");
  EXPECT_EQ(GgufNameOfHfTensor("model.layers.12.mlp.down_proj.weight").value(), "blk.12.ffn_down.weight");
  EXPECT_EQ(GgufNameOfHfTensor("model.layers.0.self_attn.rotary_emb.inv_freq").value(), "");
  for (const char* unknown :
       {"", "model.layers.", "model.layers.x.input_layernorm.weight", "model.layers.1",
        "model.layers.12345.input_layernorm.weight", "model.layers.0.self_attn.o_proj.bias"}) {
    const auto name = GgufNameOfHfTensor(unknown);
    ASSERT_FALSE(name.has_value()) << unknown;
    EXPECT_THAT(name.error().message, HasSubstr("unknown tensor '" + std::string(unknown) + "'"));
  }
}

class HfModel : public testing::Test {
 protected:
  HfModel() { Write("config.json", Config()); }

  void Write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(WriteFile(directory_ + "/" + name, text).has_value());
  }

  // Shard 0 has the embedding and the head, shard 1 the layer; both of them together are the model.
  static void AddShard(int shard, SafetensorsWriter& w) {
    const std::string layer = "model.layers.0.";
    if (shard == 0) {
      Add(w, "model.embed_tokens.weight", {5, 8});
      Add(w, "model.norm.weight", {8});
      Add(w, "lm_head.weight", {5, 8});
      return;
    }
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"})
      Add(w, layer + norm, {8});
    Add(w, layer + "self_attn.q_proj.weight", {8, 8});
    Add(w, layer + "self_attn.k_proj.weight", {4, 8});
    Add(w, layer + "self_attn.v_proj.weight", {4, 8});
    Add(w, layer + "self_attn.o_proj.weight", {8, 8});
    Add(w, layer + "mlp.gate_proj.weight", {3, 8});
    Add(w, layer + "mlp.up_proj.weight", {3, 8});
    Add(w, layer + "mlp.down_proj.weight", {8, 3});
  }

  // BF16, filled with the name's last but one letter, so that tensors differ.
  static void Add(SafetensorsWriter& w, const std::string& name, const std::vector<int64_t>& shape) {
    int64_t n = 2;
    for (int64_t d : shape) n *= d;
    const auto fill = static_cast<std::byte>(name[name.size() - 9]);
    w.AddTensor(name, DType::kBF16, shape, std::vector<std::byte>(static_cast<size_t>(n), fill));
  }

  void WriteSingle() {
    SafetensorsWriter writer;
    for (int shard : {0, 1}) AddShard(shard, writer);
    Write("model.safetensors", writer.Build());
  }

  void WriteShards() {
    std::string map;
    for (int shard : {0, 1}) {
      SafetensorsWriter writer;
      AddShard(shard, writer);
      const std::string name = "model-" + std::to_string(shard) + ".safetensors";
      Write(name, writer.Build());
      const auto file = SafetensorsFile::Open(directory_ + "/" + name);
      ASSERT_TRUE(file.has_value()) << file.error().message;
      for (const TensorView& t : (*file)->tensors()) {
        map += (map.empty() ? "\"" : ",\"") + t.name + "\":\"" + name + "\"";
      }
    }
    Write("model.safetensors.index.json", R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}");
  }

  std::string Error() {
    const auto model = ModelSource::Open(directory_);
    return model ? "" : model.error().message;
  }

  const TempDir temp_;
  const std::string directory_ = temp_.path();
};

TEST_F(HfModel, OpensOneFileAndShardsAlike) {
  WriteSingle();
  const auto single = ModelSource::Open(directory_);
  ASSERT_TRUE(single.has_value()) << single.error().message;
  EXPECT_EQ((*single)->directory(), directory_);
  EXPECT_TRUE((*single)->metadata().empty());
  EXPECT_EQ((*single)->tensors().size(), 12U);
  const TensorView* const down = (*single)->Find("blk.0.ffn_down.weight");
  ASSERT_NE(down, nullptr);
  EXPECT_EQ(down->dtype, DType::kBF16);
  EXPECT_THAT(down->shape, ElementsAre(8, 3));
  EXPECT_EQ(down->bytes.size(), 48U);

  fs::remove(directory_ + "/model.safetensors");
  WriteShards();
  const auto sharded = ModelSource::Open(directory_);
  ASSERT_TRUE(sharded.has_value()) << sharded.error().message;
  EXPECT_EQ((*sharded)->tensors().size(), 12U);
  EXPECT_EQ((*sharded)->ContentHash(), (*single)->ContentHash());
}

TEST_F(HfModel, TiedEmbeddingsNeedNoHead) {
  Write("config.json", Config(R"("tie_word_embeddings":true)"));
  WriteSingle();
  const auto model = ModelSource::Open(directory_);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ((*model)->Find("output.weight"), nullptr);
  EXPECT_TRUE((*model)->config().tied_embeddings);
}

TEST_F(HfModel, QwenNeedsItsBiasesAndNorms) {
  WriteSingle();
  Write("config.json", Config("", "Qwen2ForCausalLM"));
  EXPECT_THAT(Error(), HasSubstr("tensor 'blk.0.attn_q.bias' is missing"));
  Write("config.json", Config(R"("head_dim":4)", "Qwen3ForCausalLM"));
  EXPECT_THAT(Error(), HasSubstr("tensor 'blk.0.attn_q_norm.weight' is missing"));
}

TEST_F(HfModel, ErrorsNameTheFile) {
  EXPECT_EQ(Error(), directory_ + ": neither model.safetensors nor model.safetensors.index.json is there");
  Write("config.json", "{");
  EXPECT_THAT(Error(), HasSubstr(directory_ + "/config.json: offset 1: not JSON"));
  fs::remove(directory_ + "/config.json");
  EXPECT_THAT(Error(), HasSubstr(directory_ + "/config.json: "));

  Write("config.json", Config());
  SafetensorsWriter writer;
  for (int shard : {0, 1}) AddShard(shard, writer);
  Add(writer, "model.layers.0.self_attn.o_proj.bias__", {8});
  Write("model.safetensors", writer.Build());
  EXPECT_THAT(Error(),
              HasSubstr("/model.safetensors: unknown tensor 'model.layers.0.self_attn.o_proj.bias__'"));
}

TEST_F(HfModel, RefusesHostileIndexes) {
  WriteShards();
  ASSERT_EQ(Error(), "");
  for (const char* shard : {"\"../model-0.safetensors\"", "\"/etc/passwd\"", "\"..\"", "\"\"", "7"}) {
    Write("model.safetensors.index.json", R"({"weight_map":{"lm_head.weight":)" + std::string(shard) + "}}");
    EXPECT_THAT(Error(),
                HasSubstr("tensor 'lm_head.weight': " + std::string(shard) + " is not the name of a file"));
  }
  Write("model.safetensors.index.json", R"({"weight_map":{"lm_head.weight":"model-1.safetensors"}})");
  EXPECT_THAT(Error(), HasSubstr("model-1.safetensors: tensor 'lm_head.weight' is missing"));
  Write("model.safetensors.index.json", R"({"weight_map":{"lm_head.weight":"model-2.safetensors"}})");
  EXPECT_THAT(Error(), HasSubstr("model-2.safetensors: "));
  Write("model.safetensors.index.json", R"({"weight_map":[]})");
  EXPECT_THAT(Error(), HasSubstr("key 'weight_map' is not an object"));
  Write("model.safetensors.index.json", R"({"weight_map":{}})");
  EXPECT_THAT(Error(), HasSubstr("tensor 'token_embd.weight' is missing"));
}

}  // namespace
}  // namespace exeunt
