#include "model/gguf_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "kernels/dequantize.h"
#include "model/quoted.h"

namespace exeunt {
namespace {

// The keys of an architecture: read here, or without effect on the computation.
constexpr std::string_view kKnownKeys[] = {"attention.head_count",
                                           "attention.head_count_kv",
                                           "attention.key_length",
                                           "attention.layer_norm_rms_epsilon",
                                           "attention.sliding_window",
                                           "attention.value_length",
                                           "block_count",
                                           "context_length",
                                           "embedding_length",
                                           "expert_count",
                                           "expert_used_count",
                                           "feed_forward_length",
                                           "rope.dimension_count",
                                           "rope.freq_base",
                                           "rope.scale_linear",
                                           "rope.scaling.attn_factor",
                                           "rope.scaling.factor",
                                           "rope.scaling.finetuned",
                                           "rope.scaling.original_context_length",
                                           "rope.scaling.type",
                                           "rope.scaling.yarn_attn_factor",
                                           "rope.scaling.yarn_beta_fast",
                                           "rope.scaling.yarn_beta_slow",
                                           "rope.scaling.yarn_ext_factor",
                                           "rope.scaling.yarn_log_multiplier",
                                           "tensor_data_layout",
                                           "vocab_size"};

// Typed access to the keys below "{architecture}."; every getter tells missing from wrong.
class Keys {
 public:
  Keys(const GgufMetadata& metadata, std::string architecture)
      : metadata_(metadata), prefix_(std::move(architecture) + ".") {}

  Result<std::optional<int>> Int(std::string_view key) const {
    const std::string name = prefix_ + std::string(key);
    if (!metadata_.contains(name)) return std::optional<int>();
    const auto* value = FindGguf<int64_t>(metadata_, name);
    if (value == nullptr) return InvalidArgument("metadata key '{}' is not an integer", name);
    if (*value < 0 || *value > std::numeric_limits<int>::max()) {
      return InvalidArgument("metadata key '{}' is {}, the limit is 0 to {}", name, *value,
                             std::numeric_limits<int>::max());
    }
    return std::optional(static_cast<int>(*value));
  }

  Result<int> RequiredInt(std::string_view key) const {
    ASSIGN_OR_RETURN(const std::optional<int> value, Int(key));
    if (!value) return DataLoss("metadata key '{}{}' is missing", prefix_, key);
    return *value;
  }

  Result<float> Float(std::string_view key, float fallback) const {
    const std::string name = prefix_ + std::string(key);
    if (!metadata_.contains(name)) return fallback;
    const auto* value = FindGguf<double>(metadata_, name);
    if (value == nullptr) return InvalidArgument("metadata key '{}' is not a float", name);
    if (!(std::abs(*value) <= static_cast<double>(std::numeric_limits<float>::max()))) {
      return InvalidArgument("metadata key '{}' is {}, not a finite float", name, *value);
    }
    return static_cast<float>(*value);
  }

  Result<std::string> String(std::string_view key, std::string_view fallback) const {
    const std::string name = prefix_ + std::string(key);
    if (!metadata_.contains(name)) return std::string(fallback);
    const auto* value = FindGguf<std::string>(metadata_, name);
    if (value == nullptr) return InvalidArgument("metadata key '{}' is not a string", name);
    return *value;
  }

  // A key that is not known may change what the model computes.
  Status ExpectOnlyKnown() const {
    for (auto it = metadata_.lower_bound(prefix_); it != metadata_.end() && it->first.starts_with(prefix_);
         ++it) {
      const std::string_view key = std::string_view(it->first).substr(prefix_.size());
      if (std::ranges::find(kKnownKeys, key) == std::end(kKnownKeys)) {
        return Unimplemented("unknown metadata key {}", Quoted(it->first));
      }
    }
    return OkStatus();
  }

  // Where the key is there, its value is `expected`: anything else is a model that is not supported.
  Status Expect(std::string_view key, int expected) const {
    ASSIGN_OR_RETURN(const std::optional<int> value, Int(key));
    if (!value || *value == expected) return OkStatus();
    return Unimplemented("metadata key '{}{}' is {}, only {} is supported", prefix_, key, *value, expected);
  }

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

Status ReadYarn(const Keys& keys, RopeScaling& scaling) {
  ASSIGN_OR_RETURN(scaling.beta_fast, keys.Float("rope.scaling.yarn_beta_fast", scaling.beta_fast));
  ASSIGN_OR_RETURN(scaling.beta_slow, keys.Float("rope.scaling.yarn_beta_slow", scaling.beta_slow));
  ASSIGN_OR_RETURN(const float extrapolation, keys.Float("rope.scaling.yarn_ext_factor", 1.0F));
  // -1 is llama.cpp's "not given".
  if (extrapolation != 1.0F && extrapolation != -1.0F) {
    return Unimplemented("rope.scaling.yarn_ext_factor is {}, only 1 is supported", extrapolation);
  }
  ASSIGN_OR_RETURN(const float log_multiplier, keys.Float("rope.scaling.yarn_log_multiplier", 0.0F));
  if (log_multiplier != 0.0F) {
    return Unimplemented("rope.scaling.yarn_log_multiplier is {}, only 0 is supported", log_multiplier);
  }
  // GGUF's factor multiplies the derived one (llama.cpp, rope_yarn); ours is the product.
  ASSIGN_OR_RETURN(const float attention, keys.Float("rope.scaling.attn_factor", 1.0F));
  ASSIGN_OR_RETURN(const float yarn_attention, keys.Float("rope.scaling.yarn_attn_factor", 1.0F));
  const float given = attention * yarn_attention;
  if (given != 1.0F) scaling.attention_factor = given * (0.1F * std::log(scaling.factor) + 1.0F);
  return OkStatus();
}

Result<RopeScaling> ReadRopeScaling(const Keys& keys) {
  RopeScaling scaling;
  ASSIGN_OR_RETURN(const float old_linear, keys.Float("rope.scale_linear", 1.0F));
  ASSIGN_OR_RETURN(const std::string type,
                   keys.String("rope.scaling.type", old_linear == 1.0F ? "none" : "linear"));
  if (type == "none") return scaling;
  if (type != "linear" && type != "yarn") {
    return Unimplemented("metadata key 'rope.scaling.type' is {}, known are 'none', 'linear', 'yarn'",
                         Quoted(type));
  }
  scaling.kind = type == "yarn" ? RopeScalingKind::kYarn : RopeScalingKind::kLinear;
  ASSIGN_OR_RETURN(scaling.factor, keys.Float("rope.scaling.factor", old_linear));
  if (!(scaling.factor > 0.0F)) {
    return InvalidArgument("metadata key 'rope.scaling.factor' is {}, must be above 0", scaling.factor);
  }
  ASSIGN_OR_RETURN(const std::optional<int> original, keys.Int("rope.scaling.original_context_length"));
  scaling.original_context = original.value_or(0);
  if (scaling.kind == RopeScalingKind::kYarn) RETURN_IF_ERROR(ReadYarn(keys, scaling));
  return scaling;
}

Result<int> HeadDim(const Keys& keys, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const std::optional<int> key_length, keys.Int("attention.key_length"));
  if (!key_length && (config.n_heads < 1 || config.d_model % config.n_heads != 0)) {
    return InvalidArgument("the model dimension {} is not a multiple of {} heads", config.d_model,
                           config.n_heads);
  }
  const int head_dim = key_length ? *key_length : config.d_model / config.n_heads;
  RETURN_IF_ERROR(keys.Expect("attention.value_length", head_dim));
  RETURN_IF_ERROR(keys.Expect("rope.dimension_count", head_dim));
  return head_dim;
}

Result<int> VocabSize(const Keys& keys, const GgufContents& gguf) {
  ASSIGN_OR_RETURN(const std::optional<int> vocab_size, keys.Int("vocab_size"));
  if (vocab_size) return *vocab_size;
  const TensorView* const embedding = gguf.tensors.Find("token_embd.weight");
  if (embedding == nullptr) return DataLoss("tensor 'token_embd.weight' is missing");
  return static_cast<int>(std::min<int64_t>(embedding->shape[0], std::numeric_limits<int>::max()));
}

Result<std::vector<float>> RopeFreqFactors(const GgufContents& gguf, const ModelConfig& config) {
  const TensorView* const tensor = gguf.tensors.Find("rope_freqs.weight");
  if (tensor == nullptr) return std::vector<float>();
  // Checked before they are read: the tensor may be of any size.
  if (tensor->shape != std::vector<int64_t>{config.head_dim / 2} || tensor->dtype != DType::kF32) {
    return InvalidArgument("tensor 'rope_freqs.weight' is not F32 of shape [{}]", config.head_dim / 2);
  }
  std::vector<float> factors(static_cast<size_t>(tensor->shape[0]));
  DequantizeRow(tensor->dtype, tensor->bytes.data(), factors.data(), factors.size());
  return factors;
}

Result<ModelParts> Load(const std::shared_ptr<const MappedFile>& file) {
  ASSIGN_OR_RETURN(GgufContents gguf, ParseGguf(file->bytes(), file->path()));
  auto config = GgufModelConfig(gguf);
  if (!config) return Annotate(config.error(), file->path());
  ModelParts parts;
  parts.config = *std::move(config);
  parts.tensors = std::move(gguf.tensors);
  parts.metadata = std::move(gguf.metadata);
  parts.files = {file};
  return parts;
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
  const Keys keys(gguf.metadata, *architecture);
  ModelConfig config;
  config.architecture = *architecture;
  if (const auto* name = FindGguf<std::string>(gguf.metadata, "general.name")) config.name = *name;
  config.rope_style = *architecture == "llama" ? RopeStyle::kInterleaved : RopeStyle::kHalves;
  config.tied_embeddings = gguf.tensors.Find("output.weight") == nullptr;
  RETURN_IF_ERROR(keys.ExpectOnlyKnown());
  RETURN_IF_ERROR(keys.Expect("expert_count", 0));
  ASSIGN_OR_RETURN(config.n_layers, keys.RequiredInt("block_count"));
  ASSIGN_OR_RETURN(config.d_model, keys.RequiredInt("embedding_length"));
  ASSIGN_OR_RETURN(config.d_ff, keys.RequiredInt("feed_forward_length"));
  ASSIGN_OR_RETURN(config.unscaled_context_length, keys.RequiredInt("context_length"));
  ASSIGN_OR_RETURN(config.n_heads, keys.RequiredInt("attention.head_count"));
  ASSIGN_OR_RETURN(const std::optional<int> n_kv_heads, keys.Int("attention.head_count_kv"));
  config.n_kv_heads = n_kv_heads.value_or(config.n_heads);
  ASSIGN_OR_RETURN(config.head_dim, HeadDim(keys, config));
  ASSIGN_OR_RETURN(config.vocab_size, VocabSize(keys, gguf));
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float("attention.layer_norm_rms_epsilon", config.norm_eps));
  ASSIGN_OR_RETURN(const std::optional<int> window, keys.Int("attention.sliding_window"));
  config.sliding_window = window.value_or(0);
  ASSIGN_OR_RETURN(config.rope_theta, keys.Float("rope.freq_base", config.rope_theta));
  ASSIGN_OR_RETURN(config.rope_scaling, ReadRopeScaling(keys));
  RopeScaling& scaling = config.rope_scaling;
  config.context_length = config.unscaled_context_length;
  if (scaling.kind != RopeScalingKind::kNone && scaling.original_context > 0) {
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
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  return Load(file);
}

}  // namespace exeunt
