// Parses config.json of transformers: https://huggingface.co/docs/transformers/main_classes/configuration.
// Each model's own page has the defaults of missing keys.
#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/quoted.h"
#include "model/hf_keys.h"
#include "model/hf_model.h"
#include "model/hf_rope.h"

namespace exeunt {
namespace {

namespace json = boost::json;

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

Result<Architecture> FindArchitecture(const HfKeys& keys) {
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

// A key with its neutral values. Any other value would change the computation in a way that is not supported.
// Only vLLM reads the keys below the line.
struct NeutralKey {
  std::string_view key;
  std::vector<json::value> neutral;
};
const std::vector<NeutralKey>& NeutralKeys() {
  static const std::vector<NeutralKey> keys = {
      {"hidden_act", {"silu", "swish"}},
      {"mlp_bias", {false}},
      {"attention_bias", {false}},
      {"quantization_config", {}},
      {"num_local_experts", {0}},
      {"num_experts", {0}},
      {"is_encoder_decoder", {false}},
      {"add_cross_attention", {false}},
      {"pruned_heads", {json::object()}},
      {"bias", {false}},
      {"qkv_bias", {false}},
      {"is_causal", {true}},
      {"logit_scale", {1, 1.0}},
      {"rope_is_neox_style", {true}},
  };
  return keys;
}

Status RefuseWhatIsNotBuilt(const HfKeys& keys, const Architecture& architecture) {
  for (const auto& [key, neutral] : NeutralKeys()) {
    const json::value* const value = keys.Find(key);
    if (value == nullptr || std::ranges::find(neutral, *value) != neutral.end()) continue;
    // Qwen2 has its own biases. In other models these keys add one to the output projection, too.
    if (architecture.name == "qwen2" && (key == "attention_bias" || key == "qkv_bias")) continue;
    return Unimplemented("key '{}' is {}, {}", key, JsonText(*value),
                         neutral.empty() ? "which is not supported"
                                         : fmt::format("only {} is supported", JsonText(neutral.front())));
  }
  return OkStatus();
}

// Keys that transformers' classes know. They do not change the computation, or the code below reads them.
constexpr std::string_view kKnownKeys[] = {"architectures",
                                           "attention_bias",
                                           "attention_dropout",
                                           "attn_implementation",
                                           "auto_map",
                                           "bad_words_ids",
                                           "begin_suppress_tokens",
                                           "bos_token_id",
                                           "chunk_size_feed_forward",
                                           "cross_attention_hidden_size",
                                           "decoder_start_token_id",
                                           "diversity_penalty",
                                           "do_sample",
                                           "dtype",
                                           "early_stopping",
                                           "encoder_no_repeat_ngram_size",
                                           "eos_token_id",
                                           "exponential_decay_length_penalty",
                                           "finetuning_task",
                                           "forced_bos_token_id",
                                           "forced_eos_token_id",
                                           "head_dim",
                                           "hidden_act",
                                           "hidden_size",
                                           "id2label",
                                           "initializer_range",
                                           "intermediate_size",
                                           "is_decoder",
                                           "label2id",
                                           "layer_types",
                                           "length_penalty",
                                           "max_length",
                                           "max_position_embeddings",
                                           "max_seq_len",
                                           "max_seq_length",
                                           "max_sequence_length",
                                           "max_window_layers",
                                           "min_length",
                                           "mlp_bias",
                                           "model_max_length",
                                           "model_type",
                                           "n_positions",
                                           "no_repeat_ngram_size",
                                           "num_attention_heads",
                                           "num_beam_groups",
                                           "num_beams",
                                           "num_hidden_layers",
                                           "num_key_value_heads",
                                           "num_return_sequences",
                                           "original_max_position_embeddings",
                                           "output_attentions",
                                           "output_hidden_states",
                                           "output_scores",
                                           "pad_token_id",
                                           "partial_rotary_factor",
                                           "prefix",
                                           "pretraining_tp",
                                           "problem_type",
                                           "remove_invalid_values",
                                           "repetition_penalty",
                                           "return_dict",
                                           "return_dict_in_generate",
                                           "rms_norm_eps",
                                           "rope_parameters",
                                           "rope_scaling",
                                           "rope_theta",
                                           "sep_token_id",
                                           "seq_len",
                                           "seq_length",
                                           "sliding_window",
                                           "suppress_tokens",
                                           "task_specific_params",
                                           "temperature",
                                           "tf_legacy_loss",
                                           "tie_encoder_decoder",
                                           "tie_word_embeddings",
                                           "tokenizer_class",
                                           "top_k",
                                           "top_p",
                                           "torch_dtype",
                                           "torchscript",
                                           "transformers_version",
                                           "typical_p",
                                           "unk_token_id",
                                           "use_bfloat16",
                                           "use_cache",
                                           "use_sliding_window",
                                           "vocab_size"};

// As in transformers, an unknown key changes nothing. One warning lists all of them.
void WarnOfUnknownKeys(const HfKeys& keys, ModelConfig* config) {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : keys.object()) {
    const auto named = [&key = key](const NeutralKey& neutral) { return neutral.key == key; };
    if (value.is_null() || key.starts_with('_') ||
        std::ranges::binary_search(kKnownKeys, std::string_view(key)) ||
        std::ranges::any_of(NeutralKeys(), named)) {
      continue;
    }
    unknown.emplace_back(key);
  }
  if (unknown.empty()) return;
  config->warnings.push_back(fmt::format("config.json: keys that no {} reads are ignored: {}",
                                         config->architecture, QuotedList(unknown)));
}

// Returns the window of every layer, or 0 for none. Models whose layers differ are refused.
Result<int> SlidingWindow(const HfKeys& keys, const ModelConfig& config) {
  if (config.architecture == "llama") return 0;
  ASSIGN_OR_RETURN(const std::optional<int> given, keys.Int("sliding_window"));
  const int window = given.value_or(4096);  // transformers' default for a missing key; null means none
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

// layer_types is the newer spelling of the window. It must agree with the older one.
Status CheckLayerTypes(const HfKeys& keys, const ModelConfig& config) {
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

Result<int> HeadDim(const HfKeys& keys, const Architecture& architecture, const ModelConfig& config) {
  ASSIGN_OR_RETURN(const std::optional<int> head_dim, keys.Int("head_dim"));
  if (head_dim) return *head_dim;
  if (architecture.default_head_dim != 0) return architecture.default_head_dim;
  if (config.n_heads < 1 || config.d_model % config.n_heads != 0) {
    return InvalidArgument("key 'hidden_size' {} is not a multiple of 'num_attention_heads' {}",
                           config.d_model, config.n_heads);
  }
  return config.d_model / config.n_heads;
}

// Returns the number of positions. Like vLLM it uses 2048 if the file does not give it.
Result<int> Positions(const HfKeys& keys, std::vector<std::string>* warnings) {
  constexpr int kDefault = 2048;
  ASSIGN_OR_RETURN(const std::optional<int> positions, keys.Int("max_position_embeddings"));
  if (positions) return *positions;
  warnings->push_back(
      fmt::format("config.json: key 'max_position_embeddings' is missing, {} is assumed", kDefault));
  return kDefault;
}

// Other keys of a context length. The smallest one counts (vLLM's _get_and_verify_max_len). With YaRN the
// length is computed from the original one.
constexpr std::string_view kContextKeys[] = {"max_seq_len",      "max_seq_length", "max_sequence_length",
                                             "model_max_length", "n_positions",    "seq_len",
                                             "seq_length"};
Status LimitContext(const HfKeys& keys, ModelConfig* config) {
  const RopeScaling& scaling = config->rope_scaling;
  if (scaling.kind == RopeScalingKind::kYarn) return OkStatus();
  const double factor = scaling.kind == RopeScalingKind::kLinear ? double{scaling.factor} : 1.0;
  for (const std::string_view key : kContextKeys) {
    ASSIGN_OR_RETURN(const std::optional<double> length, keys.Number(key));
    if (!length) continue;
    if (!(*length >= 1)) return InvalidArgument("key '{}' is {}, it must be at least 1", key, *length);
    config->context_length = static_cast<int>(std::min(double{1} * config->context_length, *length * factor));
  }
  return OkStatus();
}

}  // namespace

Result<ModelConfig> ParseHfConfig(std::string_view text) {
  ASSIGN_OR_RETURN(const json::object root, ParseJsonObject(text));
  const HfKeys keys(root);
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
  ASSIGN_OR_RETURN(config.unscaled_context_length, Positions(keys, &config.warnings));
  ASSIGN_OR_RETURN(config.norm_eps, keys.Float("rms_norm_eps", 1e-6F));
  ASSIGN_OR_RETURN(config.tied_embeddings, keys.Bool("tie_word_embeddings", false));
  RETURN_IF_ERROR(ReadHfRope(keys, &config));
  RETURN_IF_ERROR(LimitContext(keys, &config));
  ASSIGN_OR_RETURN(config.sliding_window, SlidingWindow(keys, config));
  RETURN_IF_ERROR(CheckLayerTypes(keys, config));
  WarnOfUnknownKeys(keys, &config);
  RETURN_IF_ERROR(ValidateConfig(config));
  return config;
}

}  // namespace exeunt
