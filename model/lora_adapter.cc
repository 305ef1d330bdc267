#include "model/lora_adapter.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "base/mmap.h"
#include "base/quoted.h"
#include "base/sha256.h"
#include "kernels/dequantize.h"
#include "model/hf_model.h"

namespace exeunt {
namespace {

constexpr size_t kMaxConfigBytes = size_t{1} << 20;
constexpr int64_t kMaxRank = 4096;

// Keys that change the computation. They are supported only if they are null, false, "none" or empty.
constexpr std::array<std::string_view, 13> kUnbuiltKeys = {"use_dora",
                                                           "use_qalora",
                                                           "fan_in_fan_out",
                                                           "modules_to_save",
                                                           "alpha_pattern",
                                                           "layer_replication",
                                                           "lora_bias",
                                                           "bias",
                                                           "trainable_token_indices",
                                                           "target_parameters",
                                                           "alora_invocation_tokens",
                                                           "arrow_config",
                                                           "ensure_weight_tying"};
// Initialisations that also change the base model's weights, unless the adapter was converted when it was
// saved.
constexpr std::array<std::string_view, 4> kBaseChangingInits = {"pissa", "olora", "corda", "loftq"};

bool IsUnset(const boost::json::value& value) {
  if (value.is_null()) return true;
  if (const bool* flag = value.if_bool()) return !*flag;
  if (const auto* text = value.if_string()) return text->empty() || *text == "none";
  if (const auto* list = value.if_array()) return list->empty();
  if (const auto* object = value.if_object()) return object->empty();
  return false;
}

struct LoraConfig {
  double alpha = 0;
  bool rank_stabilised = false;
};

Result<LoraConfig> ParseConfig(const std::string& text) {
  ASSIGN_OR_RETURN(const auto json, ParseJsonObject(text));
  const auto* type = json.if_contains("peft_type");
  if (type == nullptr || !type->is_string() || type->get_string() != "LORA") {
    return Unimplemented("key 'peft_type': {} is not \"LORA\"",
                         type == nullptr ? "nothing" : JsonText(*type));
  }
  for (const std::string_view key : kUnbuiltKeys) {
    const auto* value = json.if_contains(key);
    if (value != nullptr && !IsUnset(*value)) {
      return Unimplemented("key '{}': {} is not built", key, JsonText(*value));
    }
  }
  if (const auto* init = json.if_contains("init_lora_weights"); init != nullptr && init->is_string()) {
    const std::string_view name = init->get_string();
    for (const std::string_view prefix : kBaseChangingInits) {
      if (name.starts_with(prefix)) {
        return Unimplemented(
            "key 'init_lora_weights': {} changes the base model, too; convert the adapter to LoRA",
            JsonText(*init));
      }
    }
  }
  LoraConfig config;
  const auto* alpha = json.if_contains("lora_alpha");
  if (alpha == nullptr || !alpha->is_number()) return InvalidArgument("key 'lora_alpha' is not a number");
  config.alpha = alpha->to_number<double>();
  if (!(std::abs(config.alpha) <= 1e6))
    return InvalidArgument("key 'lora_alpha': {} is over 1e6", config.alpha);
  if (const auto* flag = json.if_contains("use_rslora"); flag != nullptr && flag->is_bool()) {
    config.rank_stabilised = flag->get_bool();
  }
  return config;
}

Result<std::optional<DType>> ParseType(std::string_view text) {
  if (text == "auto") return std::optional<DType>();
  for (const DType type :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1}) {
    if (text == Info(type).name) return std::optional(type);
  }
  return InvalidArgument("adapter type '{}' is not one of auto, F32, F16, BF16, Q8_0, Q4_0, Q4_1", text);
}

std::vector<float> Floats(const TensorView& t) {
  std::vector<float> values(static_cast<size_t>(t.shape[0] * t.shape[1]));
  DequantizeRow(t.dtype, t.bytes.data(), values.data(), values.size());
  return values;
}

}  // namespace

void LoraDelta::AddRow(size_t row, float* dst) const {
  const size_t k = a_.size() / rank_;
  for (size_t r = 0; r < rank_; ++r) {
    const float b = b_[row * rank_ + r];
    const float* a = &a_[r * k];
    for (size_t i = 0; i < k; ++i) dst[i] += b * a[i];
  }
}

Result<std::shared_ptr<const LoraAdapter>> LoraAdapter::Open(const AdapterOptions& options,
                                                             const ModelConfig& config,
                                                             const TensorTable& tensors) {
  const std::string config_path = options.directory + "/adapter_config.json";
  const std::string path = options.directory + "/adapter_model.safetensors";
  const std::shared_ptr<LoraAdapter> adapter(new LoraAdapter);
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(config_path, kMaxConfigBytes));
  const auto parsed = ParseConfig(text);
  if (!parsed) return Annotate(parsed.error(), config_path);
  adapter->alpha_ = parsed->alpha;
  adapter->rank_stabilised_ = parsed->rank_stabilised;
  ASSIGN_OR_RETURN(adapter->type_, ParseType(options.type));
  ASSIGN_OR_RETURN(adapter->file_, SafetensorsFile::Open(path));
  for (const TensorView& t : adapter->file_->tensors()) {
    constexpr std::string_view kPrefix = "base_model.model.";
    std::string_view name = t.name;
    const bool is_a = name.ends_with(".lora_A.weight");
    if (!name.starts_with(kPrefix) || !(is_a || name.ends_with(".lora_B.weight"))) {
      return Unimplemented("{}: tensor {} is not a matrix' lora_A.weight or lora_B.weight", path,
                           Quoted(t.name));
    }
    name.remove_prefix(kPrefix.size());
    name.remove_suffix(std::string_view(".lora_A.weight").size());
    const auto target = GgufNameOfHfTensor(std::string(name) + ".weight");
    if (!target) return Annotate(target.error(), path);
    const TensorView* matrix = tensors.Find(*target);
    if (matrix == nullptr || matrix->shape.size() != 2 || *target == "token_embd.weight") {
      return Unimplemented("{}: tensor {}: the model has no matrix {} that can be adapted", path,
                           Quoted(t.name), Quoted(*target));
    }
    const size_t at = is_a ? 1 : 0;  // A [rank, n_in], B [n_out, rank]
    if (t.shape.size() != 2 || t.shape[at] != matrix->shape[at] || t.shape[1 - at] > kMaxRank) {
      return InvalidArgument(
          "{}: tensor {} has shape [{}], which does not fit {} [{}] with a rank of at most {}", path,
          Quoted(t.name), fmt::join(t.shape, ", "), *target, fmt::join(matrix->shape, ", "), kMaxRank);
    }
    const auto finite = adapter->file_->ReadFloats(t.name, t.shape);
    if (!finite) return Annotate(finite.error(), path);
    ReleasePages(t.bytes);  // a stage needs no more of most tensors
    const DTypeInfo merged = Info(adapter->MergedType(matrix->dtype));
    if (matrix->shape[1] % merged.block_elements != 0) {
      return InvalidArgument("adapter type {}: rows of {} have {} elements, not a multiple of {}",
                             merged.name, *target, matrix->shape[1], merged.block_elements);
    }
    Pair& pair = adapter->pairs_[*target];
    (is_a ? pair.a : pair.b) = &t;
    if (config.rope_style == RopeStyle::kInterleaved) {
      if (target->ends_with(".attn_q.weight")) pair.rotated_heads = config.n_heads;
      if (target->ends_with(".attn_k.weight")) pair.rotated_heads = config.n_kv_heads;
    }
  }
  for (const auto& [target, pair] : adapter->pairs_) {
    if (pair.a == nullptr || pair.b == nullptr || pair.a->shape[0] != pair.b->shape[1]) {
      return DataLoss("{}: lora_A and lora_B of {} are not there both, with one rank", path, target);
    }
  }
  if (adapter->pairs_.empty()) return DataLoss("{}: adapts nothing", path);
  return adapter;
}

std::optional<LoraDelta> LoraAdapter::Load(std::string_view tensor) const {
  const auto found = pairs_.find(tensor);
  if (found == pairs_.end()) return std::nullopt;
  const Pair& pair = found->second;
  const auto rank = static_cast<size_t>(pair.a->shape[0]);
  const auto n = static_cast<size_t>(pair.b->shape[0]);
  const auto r = static_cast<double>(rank);
  const auto scale = static_cast<float>(alpha_ / (rank_stabilised_ ? std::sqrt(r) : r));
  const std::vector<float> stored = Floats(*pair.b);
  std::vector<float> b(stored.size());
  for (size_t row = 0; row < n; ++row) {
    size_t from = row;
    if (pair.rotated_heads >
        0) {  // GGUF's row 2 i + j of a head is row i + j * head_dim / 2 of the checkpoint
      const size_t head_dim = n / static_cast<size_t>(pair.rotated_heads);
      const size_t within = row % head_dim;
      from = row - within + within / 2 + within % 2 * (head_dim / 2);
    }
    for (size_t i = 0; i < rank; ++i) b[row * rank + i] = scale * stored[from * rank + i];
  }
  return LoraDelta(Floats(*pair.a), std::move(b), rank);
}

DType LoraAdapter::MergedType(DType stored) const {
  if (type_) return *type_;
  return IsQuantised(stored) ? DType::kQ8_0 : stored;
}

std::string LoraAdapter::ContentHash() const {
  Sha256 sha;
  const auto bytes = file_->file()->bytes();
  sha.Update(bytes.data(), bytes.size());
  const std::string rest =
      fmt::format("{} {} {}", alpha_, rank_stabilised_, type_ ? Info(*type_).name : "auto");
  sha.Update(rest.data(), rest.size());
  return sha.Hex();
}

}  // namespace exeunt
