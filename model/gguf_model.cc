#include "model/gguf_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/quoted.h"
#include "kernels/dequantize.h"
#include "model/gguf_keys.h"
#include "model/gguf_split.h"

namespace exeunt {
namespace {

// Fails if the key is present with another value than `expected`, because such a model is not supported.
Status Expect(const GgufKeys& keys, std::string_view key, int expected) {
  ASSIGN_OR_RETURN(const std::optional<int> value, keys.Int(key));
  if (!value || *value == expected) return OkStatus();
  return Unimplemented("metadata key '{}' is {}, only {} is supported", keys.Name(key), *value, expected);
}

Status Expect(const GgufKeys& keys, std::string_view key, float fallback, float expected) {
  ASSIGN_OR_RETURN(const float value, keys.Float(key, fallback));
  if (value == expected) return OkStatus();
  return Unimplemented("metadata key '{}' is {}, only {} is supported", keys.Name(key), value, expected);
}

Status ReadYarn(const GgufKeys& keys, RopeScaling& scaling) {
  ASSIGN_OR_RETURN(scaling.beta_fast, keys.Float("rope.scaling.yarn_beta_fast", scaling.beta_fast));
  ASSIGN_OR_RETURN(scaling.beta_slow, keys.Float("rope.scaling.yarn_beta_slow", scaling.beta_slow));
  // -1 is llama.cpp's "not given".
  ASSIGN_OR_RETURN(const float extrapolation, keys.Float("rope.scaling.yarn_ext_factor", 1.0F));
  if (extrapolation != -1.0F) RETURN_IF_ERROR(Expect(keys, "rope.scaling.yarn_ext_factor", 1.0F, 1.0F));
  RETURN_IF_ERROR(Expect(keys, "rope.scaling.yarn_log_multiplier", 0.0F, 0.0F));
  // GGUF's factor multiplies the derived one (llama.cpp, rope_yarn). ModelConfig has the product.
  ASSIGN_OR_RETURN(const float attention, keys.Float("rope.scaling.attn_factor", 1.0F));
  ASSIGN_OR_RETURN(const float yarn_attention, keys.Float("rope.scaling.yarn_attn_factor", 1.0F));
  const float given = attention * yarn_attention;
  if (given != 1.0F) {
    scaling.attention_factor = given * (0.1F * std::log(std::max(scaling.factor, 1.0F)) + 1.0F);
  }
  return OkStatus();
}

// The defaults are llama.cpp's. A factor without a type is linear. A factor of 0 or a missing one is 1.
Result<RopeScaling> ReadRopeScaling(const GgufKeys& keys) {
  RopeScaling scaling;
  ASSIGN_OR_RETURN(const std::string type, keys.String("rope.scaling.type", "linear"));
  if (type != "none" && type != "linear" && type != "yarn") {
    return Unimplemented("metadata key '{}' is {}, known are 'none', 'linear', 'yarn'",
                         keys.Name("rope.scaling.type"), Quoted(type));
  }
  const char* key = keys.Contains("rope.scaling.factor") ? "rope.scaling.factor" : "rope.scale_linear";
  ASSIGN_OR_RETURN(const float factor, keys.Float(key, 0.0F));
  if (factor < 0.0F)
    return InvalidArgument("metadata key '{}' is {}, must not be below 0", keys.Name(key), factor);
  const bool yarn = type == "yarn";
  if (!yarn) RETURN_IF_ERROR(Expect(keys, "rope.scaling.attn_factor", 1.0F, 1.0F));
  if (type == "none" || (!yarn && (factor == 0.0F || factor == 1.0F))) return scaling;
  scaling.kind = yarn ? RopeScalingKind::kYarn : RopeScalingKind::kLinear;
  scaling.factor = factor == 0.0F ? 1.0F : factor;
  ASSIGN_OR_RETURN(const std::optional<int> original, keys.Int("rope.scaling.original_context_length"));
  scaling.original_context = original.value_or(0);
  if (yarn) RETURN_IF_ERROR(ReadYarn(keys, scaling));
  return scaling;
}

// Keys, values and the part that RoPE rotates have the same size. If a length is missing, it is the model's
// dimension divided by its heads.
Result<int> HeadDim(const GgufKeys& keys, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const std::optional<int> key_length, keys.Int("attention.key_length"));
  ASSIGN_OR_RETURN(const std::optional<int> value_length, keys.Int("attention.value_length"));
  const bool derived = !key_length || !value_length;
  if (derived && (config.n_heads < 1 || config.d_model % config.n_heads != 0)) {
    return InvalidArgument("the model dimension {} is not a multiple of {} heads", config.d_model,
                           config.n_heads);
  }
  const int otherwise = derived ? config.d_model / config.n_heads : 0;
  const int head_dim = key_length.value_or(otherwise);
  if (value_length.value_or(otherwise) != head_dim) {
    return Unimplemented(
        "metadata key '{}' is {} and '{}' is {} (where one is missing, it is embedding_length over "
        "attention.head_count), only equal lengths are supported",
        keys.Name("attention.key_length"), head_dim, keys.Name("attention.value_length"),
        value_length.value_or(otherwise));
  }
  RETURN_IF_ERROR(Expect(keys, "rope.dimension_count", head_dim));
  return head_dim;
}

// Returns the number of rows of the embedding. Like llama.cpp, it ignores a key that differs.
Result<int> VocabSize(const GgufKeys& keys, const GgufContents& gguf, std::vector<std::string>* warnings) {
  ASSIGN_OR_RETURN(const std::optional<int> said, keys.Int("vocab_size"));
  const TensorView* const embedding = gguf.tensors.Find("token_embd.weight");
  if (embedding == nullptr) {
    if (said) return *said;
    return DataLoss("tensor 'token_embd.weight' is missing");
  }
  const auto rows = static_cast<int>(std::min<int64_t>(embedding->shape[0], std::numeric_limits<int>::max()));
  if (said && *said != rows) {
    warnings->push_back(fmt::format("metadata key '{}' is {}, the embedding has {} rows",
                                    keys.Name("vocab_size"), *said, rows));
  }
  return rows;
}

Result<std::vector<float>> RopeFreqFactors(const GgufContents& gguf, const ModelConfig& config) {
  const TensorView* const tensor = gguf.tensors.Find("rope_freqs.weight");
  if (tensor == nullptr) return std::vector<float>();
  // The tensor is checked before it is read, because it may have any size.
  if (tensor->shape != std::vector<int64_t>{config.head_dim / 2} || tensor->dtype != DType::kF32) {
    return InvalidArgument("tensor 'rope_freqs.weight' is not F32 of shape [{}]", config.head_dim / 2);
  }
  std::vector<float> factors(static_cast<size_t>(tensor->shape[0]));
  DequantizeRow(tensor->dtype, tensor->bytes.data(), factors.data(), factors.size());
  return factors;
}

}  // namespace

Result<ModelConfig> GgufModelConfig(const GgufContents& gguf) {
  constexpr std::array<std::string_view, 3> kArchitectures = {"llama", "qwen2", "qwen3"};
  const auto* architecture = FindGguf<std::string>(gguf.metadata, "general.architecture");
  if (architecture == nullptr)
    return DataLoss("metadata key 'general.architecture' is missing or not a string");
  if (std::ranges::find(kArchitectures, *architecture) == kArchitectures.end()) {
    return Unimplemented("metadata key 'general.architecture' is {}, known are {}", Quoted(*architecture),
                         fmt::join(kArchitectures, ", "));
  }
  const GgufKeys keys(gguf.metadata, *architecture);
  ModelConfig config;
  config.architecture = *architecture;
  if (const auto* name = FindGguf<std::string>(gguf.metadata, "general.name")) config.name = *name;
  config.rope_style = *architecture == "llama" ? RopeStyle::kInterleaved : RopeStyle::kHalves;
  config.tied_embeddings = gguf.tensors.Find("output.weight") == nullptr;
  RETURN_IF_ERROR(Expect(keys, "expert_count", 0));
  ASSIGN_OR_RETURN(const std::vector<std::string> unread, keys.Unread());
  if (!unread.empty()) {
    config.warnings.push_back(fmt::format(
        "metadata keys that change nothing in what is computed are not read: {}", QuotedList(unread)));
  }
  ASSIGN_OR_RETURN(config.n_layers, keys.RequiredInt("block_count"));
  ASSIGN_OR_RETURN(config.d_model, keys.RequiredInt("embedding_length"));
  ASSIGN_OR_RETURN(config.d_ff, keys.RequiredIntOfLayers("feed_forward_length"));
  ASSIGN_OR_RETURN(config.unscaled_context_length, keys.RequiredInt("context_length"));
  ASSIGN_OR_RETURN(config.n_heads, keys.RequiredIntOfLayers("attention.head_count"));
  ASSIGN_OR_RETURN(const std::optional<int> n_kv_heads, keys.IntOfLayers("attention.head_count_kv"));
  config.n_kv_heads = n_kv_heads.value_or(config.n_heads);
  ASSIGN_OR_RETURN(config.head_dim, HeadDim(keys, config));
  ASSIGN_OR_RETURN(config.vocab_size, VocabSize(keys, gguf, &config.warnings));
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float("attention.layer_norm_rms_epsilon", config.norm_eps));
  ASSIGN_OR_RETURN(const std::optional<int> window, keys.Int("attention.sliding_window"));
  config.sliding_window = window.value_or(0);
  ASSIGN_OR_RETURN(config.rope_theta, keys.Float("rope.freq_base", config.rope_theta));
  ASSIGN_OR_RETURN(config.rope_scaling, ReadRopeScaling(keys));
  RopeScaling& scaling = config.rope_scaling;
  config.context_length = config.unscaled_context_length;
  if (scaling.kind != RopeScalingKind::kNone && scaling.original_context > 0 && scaling.factor != 1.0F) {
    config.context_length =
        static_cast<int>(std::min(std::lround(scaling.original_context * double{scaling.factor}), 1L << 30));
  }
  if (scaling.kind != RopeScalingKind::kNone && scaling.original_context == 0) {
    scaling.original_context = config.unscaled_context_length;
  }
  ASSIGN_OR_RETURN(config.rope_freq_factors, RopeFreqFactors(gguf, config));
  RETURN_IF_ERROR(ValidateConfig(config));
  return config;
}

Result<ModelParts> LoadGgufModel(const std::string& path) {
  ASSIGN_OR_RETURN(GgufFiles opened, OpenGgufFiles(path));
  auto config = GgufModelConfig(opened.contents);
  if (!config) return Annotate(config.error(), path);
  ModelParts parts;
  parts.config = *std::move(config);
  parts.tensors = std::move(opened.contents.tensors);
  parts.metadata = std::move(opened.contents.metadata);
  parts.files = std::move(opened.files);
  return parts;
}

}  // namespace exeunt
