#include "model/gguf_keys.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "base/error.h"
#include "base/quoted.h"

namespace exeunt {
namespace {

// The keys that gguf_model.cc reads, and keys whose meaning is known from elsewhere. The latter describe the
// sizes of vocabulary and tensors, and the training.
constexpr std::string_view kRead[] = {"attention.head_count",
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

// Keys that change the computation unless they have one of these values.
struct Neutral {
  std::string_view key;
  std::vector<double> values;
};

const std::vector<Neutral>& Neutrals() {
  static const std::vector<Neutral> neutrals = {
      {"attention.causal", {1}},
      {"attention.clamp_kqv", {0}},
      {"attention.max_alibi_bias", {0}},
      {"attention.output_scale", {0, 1}},
      {"attention.scale", {0}},
      {"attention.shared_kv_layers", {0}},
      {"attention.sliding_window_pattern", {0}},
      {"attention.temperature_length", {0}},
      {"attention.temperature_scale", {0}},
      {"attention.value_scale", {0, 1}},
      {"attn_logit_softcapping", {0}},
      {"embedding_scale", {0, 1}},
      {"final_logit_softcapping", {0}},
      {"logit_scale", {0, 1}},
      {"nextn_predict_layers", {0}},
      {"num_loops", {0, 1}},
      {"residual_scale", {0, 1}},
      {"rope.dimension_sections", {0}},
      {"rope.scaling.alpha", {0, 1}},
      {"swin_norm", {0}},
      {"token_shift_count", {0}},
      {"use_parallel_residual", {0}},
  };
  return neutrals;
}

// Prefixes of keys that describe features of other architectures. No model of a supported architecture has
// them.
constexpr std::string_view kForeign[] = {"activation.",
                                         "adapters.",
                                         "attention.compress_",
                                         "attention.indexer.",
                                         "attention.kv_lora",
                                         "attention.q_lora",
                                         "attention.recurrent_layers",
                                         "attention.rope_pattern",
                                         "attn_res.",
                                         "convnext.",
                                         "deepstack_mapping",
                                         "full_attention_interval",
                                         "hrm.",
                                         "hyper_connection.",
                                         "kda.",
                                         "n_deepstack_layers",
                                         "ple.",
                                         "posnet.",
                                         "shortconv.",
                                         "ssm.",
                                         "wkv."};

// Returns a number, a flag, or a list of these as doubles, or an empty list for a text.
std::vector<double> Numbers(const GgufValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return {*flag ? 1.0 : 0.0};
  if (const auto* integer = std::get_if<int64_t>(&value)) return {static_cast<double>(*integer)};
  if (const auto* real = std::get_if<double>(&value)) return {*real};
  if (const auto* flags = std::get_if<std::vector<bool>>(&value)) return {flags->begin(), flags->end()};
  if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    std::vector<double> numbers;
    for (int64_t integer : *integers) numbers.push_back(static_cast<double>(integer));
    return numbers;
  }
  if (const auto* reals = std::get_if<std::vector<double>>(&value)) return *reals;
  return {};
}

Status ExpectNeutral(const std::string& name, const GgufValue& value, std::span<const double> neutral) {
  const std::vector<double> numbers = Numbers(value);
  if (numbers.empty()) return InvalidArgument("metadata key '{}' is not a number", name);
  for (const double number : numbers) {
    if (std::ranges::find(neutral, number) == neutral.end()) {
      return Unimplemented("metadata key '{}' is {}, only {} is supported", name, number,
                           fmt::join(neutral, " or "));
    }
  }
  return OkStatus();
}

Result<int> CheckedInt(const std::string& name, int64_t value) {
  constexpr int64_t kMax = std::numeric_limits<int>::max();
  if (value < 0 || value > kMax) {
    return InvalidArgument("metadata key '{}' is {}, the limit is 0 to {}", name, value, kMax);
  }
  return static_cast<int>(value);
}

}  // namespace

Result<std::optional<int>> GgufKeys::Int(std::string_view key) const {
  const std::string name = Name(key);
  if (!metadata_.contains(name)) return std::optional<int>();
  const auto* value = FindGguf<int64_t>(metadata_, name);
  if (value == nullptr) return InvalidArgument("metadata key '{}' is not an integer", name);
  ASSIGN_OR_RETURN(const int checked, CheckedInt(name, *value));
  return std::optional(checked);
}

Result<int> GgufKeys::RequiredInt(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::optional<int> value, Int(key));
  if (!value) return DataLoss("metadata key '{}' is missing", Name(key));
  return *value;
}

Result<std::optional<int>> GgufKeys::IntOfLayers(std::string_view key) const {
  const std::string name = Name(key);
  const auto* values = FindGguf<std::vector<int64_t>>(metadata_, name);
  if (values == nullptr) return Int(key);
  if (values->empty()) return InvalidArgument("metadata key '{}' is an empty list", name);
  for (size_t layer = 1; layer < values->size(); ++layer) {
    if ((*values)[layer] != values->front()) {
      return Unimplemented(
          "metadata key '{}' is {} for layer 0 and {} for layer {}; only layers that are alike are "
          "supported",
          name, values->front(), (*values)[layer], layer);
    }
  }
  ASSIGN_OR_RETURN(const int checked, CheckedInt(name, values->front()));
  return std::optional(checked);
}

Result<int> GgufKeys::RequiredIntOfLayers(std::string_view key) const {
  ASSIGN_OR_RETURN(const std::optional<int> value, IntOfLayers(key));
  if (!value) return DataLoss("metadata key '{}' is missing", Name(key));
  return *value;
}

Result<float> GgufKeys::Float(std::string_view key, float fallback) const {
  const std::string name = Name(key);
  if (!metadata_.contains(name)) return fallback;
  const auto* value = FindGguf<double>(metadata_, name);
  if (value == nullptr) return InvalidArgument("metadata key '{}' is not a float", name);
  if (!(std::abs(*value) <= static_cast<double>(std::numeric_limits<float>::max()))) {
    return InvalidArgument("metadata key '{}' is {}, not a finite float", name, *value);
  }
  return static_cast<float>(*value);
}

Result<std::string> GgufKeys::String(std::string_view key, std::string_view fallback) const {
  const std::string name = Name(key);
  if (!metadata_.contains(name)) return std::string(fallback);
  const auto* value = FindGguf<std::string>(metadata_, name);
  if (value == nullptr) return InvalidArgument("metadata key '{}' is not a string", name);
  return *value;
}

Result<std::vector<std::string>> GgufKeys::Unread() const {
  std::vector<std::string> unread;
  for (auto it = metadata_.lower_bound(prefix_); it != metadata_.end() && it->first.starts_with(prefix_);
       ++it) {
    const std::string_view key = std::string_view(it->first).substr(prefix_.size());
    if (std::ranges::find(kRead, key) != std::end(kRead)) continue;
    const auto neutral = std::ranges::find(Neutrals(), key, &Neutral::key);
    if (neutral != Neutrals().end()) RETURN_IF_ERROR(ExpectNeutral(it->first, it->second, neutral->values));
    if (std::ranges::any_of(kForeign, [&](std::string_view start) { return key.starts_with(start); })) {
      return Unimplemented("metadata key {} belongs to another architecture than {}", Quoted(it->first),
                           Quoted(std::string_view(prefix_).substr(0, prefix_.size() - 1)));
    }
    unread.push_back(it->first);
  }
  return unread;
}

}  // namespace exeunt
