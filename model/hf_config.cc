// config.json of transformers: https://huggingface.co/docs/transformers/main_classes/configuration, and each
// model's own page for the defaults of keys that are left out.
#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/hf_model.h"
#include "model/json.h"
#include "model/quoted.h"

namespace exeunt {
namespace {

namespace json = boost::json;

// Typed access to a JSON object's keys. The getters take null for missing.
class Keys {
 public:
  explicit Keys(const json::object& object) : object_(object) {}

  const json::value* Find(std::string_view key) const {
    const json::value* const value = object_.if_contains(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  Result<std::optional<int>> Int(std::string_view key) const {
    const json::value* const value = Find(key);
    if (value == nullptr) return std::optional<int>();
    const int64_t* const number = value->if_int64();
    if (number == nullptr || *number < 0 || *number > std::numeric_limits<int>::max()) {
      return Wrong(key, *value, fmt::format("a whole number from 0 to {}", std::numeric_limits<int>::max()));
    }
    return std::optional(static_cast<int>(*number));
  }

  Result<int> RequiredInt(std::string_view key) const {
    ASSIGN_OR_RETURN(const std::optional<int> value, Int(key));
    if (!value) return DataLoss("key '{}' is missing", key);
    return *value;
  }

  Result<float> Float(std::string_view key, float fallback) const {
    const json::value* const value = Find(key);
    if (value == nullptr) return fallback;
    const double number = value->is_double()  ? value->get_double()
                          : value->is_int64() ? static_cast<double>(value->get_int64())
                                              : HUGE_VAL;
    if (!(std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max()))) {
      return Wrong(key, *value, "a finite number");
    }
    return static_cast<float>(number);
  }

  Result<bool> Bool(std::string_view key, bool fallback) const {
    const json::value* const value = Find(key);
    if (value == nullptr) return fallback;
    if (!value->is_bool()) return Wrong(key, *value, "true or false");
    return value->get_bool();
  }

  Result<std::string> String(std::string_view key, std::string_view fallback) const {
    const json::value* const value = Find(key);
    if (value == nullptr) return std::string(fallback);
    if (!value->is_string()) return Wrong(key, *value, "a string");
    return std::string(value->get_string());
  }

  bool IsNull(std::string_view key) const {
    const json::value* const value = object_.if_contains(key);
    return value != nullptr && value->is_null();
  }

  // nullptr where the key is missing.
  Result<const json::object*> Object(std::string_view key) const {
    const json::value* const value = Find(key);
    if (value == nullptr) return static_cast<const json::object*>(nullptr);
    if (!value->is_object()) return Wrong(key, *value, "an object");
    return &value->get_object();
  }

  // A key that must be missing, or say what the computation does anyway.
  Status Expect(std::string_view key, const json::value& expected) const {
    const json::value* const value = Find(key);
    if (value == nullptr || *value == expected) return OkStatus();
    return Unimplemented("key '{}' is {}, only {} is supported", key, JsonText(*value), JsonText(expected));
  }

 private:
  static Error Wrong(std::string_view key, const json::value& value, std::string_view expected) {
    return InvalidArgument("key '{}' is {}, expected {}", key, JsonText(value), expected);
  }

  const json::object& object_;
};

struct Architecture {
  std::string_view hf_name;
  std::string_view name;
  int default_head_dim;    // 0: d_model / n_heads
  int default_n_kv_heads;  // 0: n_heads
};
constexpr Architecture kArchitectures[] = {
    {"LlamaForCausalLM", "llama", 0, 0},
    {"MistralForCausalLM", "mistral", 0, 8},
    {"Qwen2ForCausalLM", "qwen2", 0, 32},
    {"Qwen3ForCausalLM", "qwen3", 128, 32},
};

Result<Architecture> FindArchitecture(const Keys& keys) {
  const json::value* const value = keys.Find("architectures");
  if (value == nullptr) return DataLoss("key 'architectures' is missing");
  const json::array* const list = value->if_array();
  if (list != nullptr && list->size() == 1 && (*list)[0].is_string()) {
    for (const Architecture& known : kArchitectures) {
      if ((*list)[0].get_string() == known.hf_name) return known;
    }
  }
  return Unimplemented(
      "key 'architectures' is {}, known are LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, "
      "Qwen3ForCausalLM",
      JsonText(*value));
}

Status ExpectWholeRotary(const Keys& keys) {
  ASSIGN_OR_RETURN(const float rotary, keys.Float("partial_rotary_factor", 1.0F));
  if (rotary == 1.0F) return OkStatus();
  return Unimplemented("key 'partial_rotary_factor' is {}, only 1 is supported", rotary);
}

// Keys that would change the computation in a way that is not built here.
Status RefuseWhatIsNotBuilt(const Keys& keys, const Architecture& architecture) {
  RETURN_IF_ERROR(keys.Expect("hidden_act", "silu"));
  RETURN_IF_ERROR(keys.Expect("mlp_bias", false));
  // Qwen2 has biases of its own; elsewhere this key adds one to the output projection too.
  if (architecture.name != "qwen2") RETURN_IF_ERROR(keys.Expect("attention_bias", false));
  RETURN_IF_ERROR(ExpectWholeRotary(keys));
  for (const char* key : {"quantization_config", "num_local_experts", "num_experts"}) {
    const json::value* const value = keys.Find(key);
    if (value != nullptr)
      return Unimplemented("key '{}' is {}, which is not supported", key, JsonText(*value));
  }
  return OkStatus();
}

Status ReadScalingNumbers(const Keys& keys, const ModelConfig& config, RopeScaling& scaling) {
  if (keys.Find("factor") == nullptr) return DataLoss("key 'factor' is missing");
  ASSIGN_OR_RETURN(scaling.factor, keys.Float("factor", 1.0F));
  ASSIGN_OR_RETURN(const auto original, keys.Int("original_max_position_embeddings"));
  scaling.original_context = original.value_or(config.context_length);
  ASSIGN_OR_RETURN(scaling.low_freq_factor, keys.Float("low_freq_factor", scaling.low_freq_factor));
  ASSIGN_OR_RETURN(scaling.high_freq_factor, keys.Float("high_freq_factor", scaling.high_freq_factor));
  ASSIGN_OR_RETURN(scaling.beta_fast, keys.Float("beta_fast", scaling.beta_fast));
  ASSIGN_OR_RETURN(scaling.beta_slow, keys.Float("beta_slow", scaling.beta_slow));
  ASSIGN_OR_RETURN(scaling.attention_factor, keys.Float("attention_factor", 0.0F));
  RETURN_IF_ERROR(keys.Expect("truncate", true));
  return OkStatus();
}

// rope_scaling (type or rope_type), or the newer rope_parameters, which holds rope_theta too.
Status ReadRopeObject(const json::object& object, ModelConfig& config) {
  constexpr std::string_view kKnown[] = {"rope_type",
                                         "type",
                                         "rope_theta",
                                         "factor",
                                         "original_max_position_embeddings",
                                         "low_freq_factor",
                                         "high_freq_factor",
                                         "beta_fast",
                                         "beta_slow",
                                         "attention_factor",
                                         "truncate",
                                         "partial_rotary_factor"};
  const Keys keys(object);
  for (const auto& [key, value] : object) {
    if (std::ranges::find(kKnown, std::string_view(key)) == std::end(kKnown) && !value.is_null()) {
      return Unimplemented("unknown key {} = {}", Quoted(key), JsonText(value));
    }
  }
  RETURN_IF_ERROR(ExpectWholeRotary(keys));
  ASSIGN_OR_RETURN(config.rope_theta, keys.Float("rope_theta", config.rope_theta));
  ASSIGN_OR_RETURN(const std::string old_type, keys.String("type", "default"));
  ASSIGN_OR_RETURN(const std::string type, keys.String("rope_type", old_type));
  if (type == "default") return OkStatus();
  if (type == "linear") {
    config.rope_scaling.kind = RopeScalingKind::kLinear;
  } else if (type == "llama3") {
    config.rope_scaling.kind = RopeScalingKind::kLlama3;
  } else if (type == "yarn") {
    config.rope_scaling.kind = RopeScalingKind::kYarn;
  } else {
    return Unimplemented("key 'rope_type' is {}, known are default, linear, llama3, yarn", Quoted(type));
  }
  return ReadScalingNumbers(keys, config, config.rope_scaling);
}

Status ReadRope(const Keys& keys, ModelConfig& config) {
  ASSIGN_OR_RETURN(config.rope_theta, keys.Float("rope_theta", config.rope_theta));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    ASSIGN_OR_RETURN(const json::object* const object, keys.Object(key));
    if (object == nullptr) continue;
    auto read = ReadRopeObject(*object, config);
    if (!read) return Annotate(read.error(), fmt::format("key '{}'", key));
  }
  return OkStatus();
}

// The window of every layer, 0 for none. Models whose layers differ are refused.
Result<int> SlidingWindow(const Keys& keys, const ModelConfig& config) {
  if (config.architecture == "llama") return 0;
  ASSIGN_OR_RETURN(const std::optional<int> given, keys.Int("sliding_window"));
  const int window = given.value_or(4096);  // transformers' default; null is none
  bool used = !keys.IsNull("sliding_window");
  if (config.architecture != "mistral") {
    ASSIGN_OR_RETURN(const bool wanted, keys.Bool("use_sliding_window", false));
    used = used && wanted;
    ASSIGN_OR_RETURN(const std::optional<int> full_layers, keys.Int("max_window_layers"));
    const int n_full = full_layers.value_or(28);
    if (used && n_full >= config.n_layers) used = false;
    if (used && n_full > 0) {
      return Unimplemented(
          "key 'max_window_layers' is {}: a window in some of {} layers only is not supported", n_full,
          config.n_layers);
    }
  }
  if (used && window < 1) return InvalidArgument("key 'sliding_window' is {}, the limit is 1", window);
  return used ? window : 0;
}

// The newer spelling of the same; it must say the same.
Status CheckLayerTypes(const Keys& keys, const ModelConfig& config) {
  const json::value* const types = keys.Find("layer_types");
  if (types == nullptr) return OkStatus();
  const std::string_view expected = config.sliding_window == 0 ? "full_attention" : "sliding_attention";
  if (!types->is_array())
    return InvalidArgument("key 'layer_types' is {}, expected an array", JsonText(*types));
  for (const json::value& type : types->get_array()) {
    if (!type.is_string() || type.get_string() != expected) {
      return Unimplemented("key 'layer_types' has {}, only '{}' is supported here", JsonText(type), expected);
    }
  }
  return OkStatus();
}

Result<int> HeadDim(const Keys& keys, const Architecture& architecture, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const std::optional<int> head_dim, keys.Int("head_dim"));
  if (head_dim) return *head_dim;
  if (architecture.default_head_dim != 0) return architecture.default_head_dim;
  if (config.n_heads < 1 || config.d_model % config.n_heads != 0) {
    return InvalidArgument("key 'hidden_size' {} is not a multiple of 'num_attention_heads' {}",
                           config.d_model, config.n_heads);
  }
  return config.d_model / config.n_heads;
}

}  // namespace

Result<ModelConfig> ParseHfConfig(std::string_view text) {
  ASSIGN_OR_RETURN(const json::object root, ParseJsonObject(text));
  const Keys keys(root);
  ASSIGN_OR_RETURN(const Architecture architecture, FindArchitecture(keys));
  RETURN_IF_ERROR(RefuseWhatIsNotBuilt(keys, architecture));
  ModelConfig config;
  config.architecture = architecture.name;
  config.rope_style = RopeStyle::kHalves;
  ASSIGN_OR_RETURN(config.name, keys.String("_name_or_path", ""));
  ASSIGN_OR_RETURN(config.n_layers, keys.RequiredInt("num_hidden_layers"));
  ASSIGN_OR_RETURN(config.d_model, keys.RequiredInt("hidden_size"));
  ASSIGN_OR_RETURN(config.d_ff, keys.RequiredInt("intermediate_size"));
  ASSIGN_OR_RETURN(config.n_heads, keys.RequiredInt("num_attention_heads"));
  ASSIGN_OR_RETURN(const std::optional<int> n_kv_heads, keys.Int("num_key_value_heads"));
  const int default_n_kv_heads = architecture.default_n_kv_heads;
  config.n_kv_heads = n_kv_heads.value_or(default_n_kv_heads == 0 ? config.n_heads : default_n_kv_heads);
  ASSIGN_OR_RETURN(config.head_dim, HeadDim(keys, architecture, config));
  ASSIGN_OR_RETURN(config.vocab_size, keys.RequiredInt("vocab_size"));
  ASSIGN_OR_RETURN(config.context_length, keys.RequiredInt("max_position_embeddings"));
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float("rms_norm_eps", 1e-6F));
  ASSIGN_OR_RETURN(config.tied_embeddings, keys.Bool("tie_word_embeddings", false));
  RETURN_IF_ERROR(ReadRope(keys, config));
  ASSIGN_OR_RETURN(config.sliding_window, SlidingWindow(keys, config));
  RETURN_IF_ERROR(CheckLayerTypes(keys, config));
  RETURN_IF_ERROR(ValidateConfig(config));
  return config;
}

}  // namespace exeunt
