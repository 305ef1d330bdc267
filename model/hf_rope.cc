#include "model/hf_rope.h"

#include <algorithm>
#include <boost/json/value.hpp>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/quoted.h"

namespace exeunt {
namespace {

namespace json = boost::json;

// The keys of the object, by the kind of scaling. A key that is not among these is named in a warning, as in
// transformers.
constexpr std::string_view kEveryKind[] = {
    "type", "rope_type", "rope_theta", "partial_rotary_factor", "factor", "original_max_position_embeddings"};
constexpr std::string_view kLlama3Keys[] = {"low_freq_factor", "high_freq_factor"};
constexpr std::string_view kYarnKeys[] = {"beta_fast",
                                          "beta_slow",
                                          "attention_factor",
                                          "attn_factor",
                                          "mscale",
                                          "mscale_all_dim",
                                          "extrapolation_factor",
                                          "truncate",
                                          "apply_yarn_scaling"};
// Keys of kinds that are not supported and would change the computation.
constexpr std::string_view kRefused[] = {"short_factor", "long_factor",   "short_mscale",     "long_mscale",
                                         "alpha",        "mrope_section", "mrope_interleaved"};

bool Has(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

Result<RopeScalingKind> KindOf(const HfKeys& keys) {
  ASSIGN_OR_RETURN(const std::string old_name, keys.String("type", ""));
  ASSIGN_OR_RETURN(const std::string new_name, keys.String("rope_type", ""));
  if (!old_name.empty() && !new_name.empty() && old_name != new_name) {
    return InvalidArgument("key 'type' is {} and key 'rope_type' is {}: they must agree", Quoted(old_name),
                           Quoted(new_name));
  }
  const std::string& name = new_name.empty() ? old_name : new_name;
  constexpr std::pair<std::string_view, RopeScalingKind> kKinds[] = {{"default", RopeScalingKind::kNone},
                                                                     {"linear", RopeScalingKind::kLinear},
                                                                     {"llama3", RopeScalingKind::kLlama3},
                                                                     {"yarn", RopeScalingKind::kYarn}};
  for (const auto& [known, kind] : kKinds) {
    if (name == known) return kind;
  }
  const bool scales = std::ranges::any_of(keys.object(), [](const auto& entry) {
    return entry.key() != "rope_theta" && entry.key() != "partial_rotary_factor" && !entry.value().is_null();
  });
  if (name.empty() && !scales) return RopeScalingKind::kNone;
  if (name.empty()) return DataLoss("key 'rope_type' is missing; known are default, linear, llama3, yarn");
  return Unimplemented("key 'rope_type' is {}, known are default, linear, llama3, yarn", Quoted(name));
}

Status CheckKeys(const HfKeys& keys, RopeScalingKind kind, std::vector<std::string>* warnings) {
  std::vector<std::string> unused;
  for (const auto& [key, value] : keys.object()) {
    if (value.is_null() || Has(kEveryKind, key)) continue;
    if (kind == RopeScalingKind::kLlama3 && Has(kLlama3Keys, key)) continue;
    if (kind == RopeScalingKind::kYarn && Has(kYarnKeys, key)) continue;
    if (Has(kRefused, key)) {
      return Unimplemented("key {} is {}, which is not supported", Quoted(key), JsonText(value));
    }
    unused.emplace_back(key);
  }
  if (!unused.empty())
    warnings->push_back("rope scaling: keys without effect are ignored: " + QuotedList(unused));
  return OkStatus();
}

// 0.1 m ln(factor) + 1, YaRN's scale of cos and sin (arXiv 2309.00071, eq. 22).
double YarnMagnitude(double factor, double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; }

// attention_factor (transformers) is the whole magnitude. mscale and mscale_all_dim (transformers) change how
// it is derived. attn_factor (vLLM) multiplies the derived magnitude. apply_yarn_scaling (vLLM) sets it to 1
// if false.
Result<float> ReadMagnitude(const HfKeys& keys, double factor) {
  ASSIGN_OR_RETURN(const std::optional<double> given, keys.Number("attention_factor"));
  ASSIGN_OR_RETURN(const std::optional<double> times, keys.Number("attn_factor"));
  ASSIGN_OR_RETURN(const std::optional<double> mscale, keys.Number("mscale"));
  ASSIGN_OR_RETURN(const std::optional<double> mscale_all, keys.Number("mscale_all_dim"));
  ASSIGN_OR_RETURN(const bool apply, keys.Bool("apply_yarn_scaling", true));
  const bool both = mscale.value_or(0) != 0 && mscale_all.value_or(0) != 0;
  double derived =
      both ? YarnMagnitude(factor, *mscale) / YarnMagnitude(factor, *mscale_all) : YarnMagnitude(factor, 1);
  if (!apply) derived = 1;
  derived *= times.value_or(1);
  if (given && times && std::abs(*given - derived) > 1e-4 * std::abs(derived)) {
    return InvalidArgument("keys 'attention_factor' {} and 'attn_factor' {} give two magnitudes, {} and {}",
                           *given, *times, *given, derived);
  }
  const double magnitude = given.value_or(derived);
  if (!(magnitude > 0)) {
    return InvalidArgument("key '{}' makes the magnitude {}, it must be above 0",
                           given ? "attention_factor" : "attn_factor", magnitude);
  }
  return static_cast<float>(magnitude);
}

Status ReadYarn(const HfKeys& keys, double factor, RopeScaling* scaling) {
  ASSIGN_OR_RETURN(scaling->beta_fast, keys.Float("beta_fast", 32.0F));
  ASSIGN_OR_RETURN(scaling->beta_slow, keys.Float("beta_slow", 1.0F));
  // As in transformers, 0 means not given.
  if (scaling->beta_fast == 0.0F) scaling->beta_fast = 32.0F;
  if (scaling->beta_slow == 0.0F) scaling->beta_slow = 1.0F;
  ASSIGN_OR_RETURN(scaling->extrapolation_factor, keys.Float("extrapolation_factor", 1.0F));
  ASSIGN_OR_RETURN(scaling->truncate, keys.Bool("truncate", true));
  ASSIGN_OR_RETURN(scaling->attention_factor, ReadMagnitude(keys, factor));
  return OkStatus();
}

// Returns the factor of the scaling. If a YaRN object has none, it is the ratio of the file's two context
// lengths (transformers).
Result<double> ReadFactor(const HfKeys& keys, RopeScalingKind kind, const std::optional<int>& original,
                          int unscaled) {
  ASSIGN_OR_RETURN(const std::optional<double> factor, keys.Number("factor"));
  if (factor && !(*factor > 0)) return InvalidArgument("key 'factor' is {}, it must be above 0", *factor);
  if (factor) return *factor;
  if (kind == RopeScalingKind::kYarn && original.value_or(0) > 0) return double{1} * unscaled / *original;
  return DataLoss("key 'factor' is missing");
}

// As in vLLM's _get_and_verify_max_len, Llama 3's max_position_embeddings is scaled already.
int ScaledContext(RopeScalingKind kind, double factor, const std::optional<int>& original, int unscaled) {
  if (kind == RopeScalingKind::kNone || kind == RopeScalingKind::kLlama3) return unscaled;
  return static_cast<int>(std::min(original.value_or(unscaled) * factor, double{1 << 30}));
}

Status ExpectWholeRotary(const HfKeys& keys) {
  ASSIGN_OR_RETURN(const float rotary, keys.Float("partial_rotary_factor", 1.0F));
  if (rotary == 1.0F) return OkStatus();
  return Unimplemented("key 'partial_rotary_factor' is {}, only 1 is supported", rotary);
}

// `outer_original` is the key of the same name in config.json itself. It takes precedence (transformers'
// standardize_rope_params).
Status ReadObject(const HfKeys& keys, const std::optional<int>& outer_original, ModelConfig* config) {
  RETURN_IF_ERROR(ExpectWholeRotary(keys));
  ASSIGN_OR_RETURN(config->rope_theta, keys.Float("rope_theta", config->rope_theta));
  RopeScaling scaling;
  ASSIGN_OR_RETURN(scaling.kind, KindOf(keys));
  RETURN_IF_ERROR(CheckKeys(keys, scaling.kind, &config->warnings));
  const int unscaled = config->unscaled_context_length;
  config->rope_scaling = scaling;
  config->context_length = unscaled;
  if (scaling.kind == RopeScalingKind::kNone) return OkStatus();
  ASSIGN_OR_RETURN(std::optional<int> original, keys.Int("original_max_position_embeddings"));
  if (outer_original && scaling.kind != RopeScalingKind::kLinear) original = outer_original;
  ASSIGN_OR_RETURN(const double factor, ReadFactor(keys, scaling.kind, original, unscaled));
  scaling.factor = static_cast<float>(factor);
  scaling.original_context = original.value_or(unscaled);
  ASSIGN_OR_RETURN(scaling.low_freq_factor, keys.Float("low_freq_factor", scaling.low_freq_factor));
  ASSIGN_OR_RETURN(scaling.high_freq_factor, keys.Float("high_freq_factor", scaling.high_freq_factor));
  if (scaling.kind == RopeScalingKind::kYarn) RETURN_IF_ERROR(ReadYarn(keys, factor, &scaling));
  config->rope_scaling = scaling;
  config->context_length = ScaledContext(scaling.kind, factor, original, unscaled);
  return OkStatus();
}

// rope_parameters may hold an object for each type of layer. Models whose layers differ are refused.
Result<const json::object*> ObjectOfAllLayers(const HfKeys& keys, std::string_view key) {
  ASSIGN_OR_RETURN(const json::object* const object, keys.Object(key));
  if (object == nullptr || object->empty()) return static_cast<const json::object*>(nullptr);
  const json::object* common = nullptr;
  for (const auto& [name, value] : *object) {
    if (!name.ends_with("_attention")) return object;
    if (!value.is_object())
      return InvalidArgument("key {} is {}, expected an object", Quoted(name), JsonText(value));
    if (common != nullptr && *common != value.get_object()) {
      return Unimplemented("key {} has two ways to rotate: one for all layers is supported", Quoted(key));
    }
    common = &value.get_object();
  }
  return common;
}

}  // namespace

Status ReadHfRope(const HfKeys& keys, ModelConfig* config) {
  RETURN_IF_ERROR(ExpectWholeRotary(keys));
  ASSIGN_OR_RETURN(config->rope_theta, keys.Float("rope_theta", config->rope_theta));
  config->context_length = config->unscaled_context_length;
  // If both keys are given, the older one takes precedence, as in transformers.
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    ASSIGN_OR_RETURN(const json::object* const object, ObjectOfAllLayers(keys, key));
    if (object == nullptr) continue;
    ASSIGN_OR_RETURN(const std::optional<int> original, keys.Int("original_max_position_embeddings"));
    const Status read = ReadObject(HfKeys(*object), original, config);
    if (!read) return Annotate(read.error(), fmt::format("key '{}'", key));
    return OkStatus();
  }
  return OkStatus();
}

Status OverrideRopeScaling(std::string_view text, ModelConfig* config) {
  const std::string option = fmt::format("--rope-scaling {}", Quoted(text));
  const auto object = ParseJsonObject(text);
  if (!object) return Annotate(object.error(), option);
  const Status read = ReadObject(HfKeys(*object), std::nullopt, config);
  if (!read) return Annotate(read.error(), option);
  config->rope_freq_factors.clear();  // removes the file's own scaling
  return OkStatus();
}

}  // namespace exeunt
