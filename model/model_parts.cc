#include "model/model_parts.h"

#include <cmath>
#include <set>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/quoted.h"

namespace exeunt {
namespace {

struct IntField {
  const char* name;
  int value;
  int min;
  int max;
};

struct FloatField {
  const char* name;
  float value;
  float min;
  float max;
};

Status ValidateRope(const ModelConfig& c) {
  const RopeScaling& s = c.rope_scaling;
  const FloatField fields[] = {
      {"rope_theta", c.rope_theta, 1.0F, 1e12F},
      {"rope scaling factor", s.factor, 1e-3F, 1e6F},
      {"rope scaling low_freq_factor", s.low_freq_factor, 1e-3F, 1e6F},
      {"rope scaling high_freq_factor", s.high_freq_factor, 1e-3F, 1e6F},
      {"rope scaling beta_fast", s.beta_fast, 1e-3F, 1e6F},
      {"rope scaling beta_slow", s.beta_slow, 1e-3F, 1e6F},
      {"rope scaling attention_factor", s.attention_factor, 0.0F, 1e3F},
      {"rope scaling extrapolation_factor", s.extrapolation_factor, 0.0F, 1e3F},
  };
  for (const FloatField& f : fields) {
    if (!(f.value >= f.min && f.value <= f.max)) {
      return InvalidArgument("{} is {}, the limit is {} to {}", f.name, f.value, f.min, f.max);
    }
  }
  const bool needs_original = s.kind == RopeScalingKind::kLlama3 || s.kind == RopeScalingKind::kYarn;
  if (needs_original && s.original_context < 1) {
    return InvalidArgument("rope scaling's original context length is {}, the limit is 1",
                           s.original_context);
  }
  if (s.kind == RopeScalingKind::kLlama3 && !(s.low_freq_factor < s.high_freq_factor)) {
    return InvalidArgument("rope scaling low_freq_factor {} is not below high_freq_factor {}",
                           s.low_freq_factor, s.high_freq_factor);
  }
  const auto pairs = static_cast<size_t>(c.head_dim / 2);
  if (!c.rope_freq_factors.empty() && c.rope_freq_factors.size() != pairs) {
    return InvalidArgument("{} rope frequency factors, expected {}", c.rope_freq_factors.size(), pairs);
  }
  for (size_t i = 0; i < c.rope_freq_factors.size(); ++i) {
    const float factor = c.rope_freq_factors[i];
    if (!(factor > 0.0F && std::isfinite(factor))) {
      return InvalidArgument("rope frequency factor {} is {}, must be finite and above 0", i, factor);
    }
  }
  return OkStatus();
}

std::string ShapeText(std::span<const int64_t> shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// Checker marks the known tensors one by one.
class Checker {
 public:
  explicit Checker(const TensorTable& tensors) : tensors_(tensors) {}

  Status Required(const std::string& name, const std::vector<int64_t>& shape) {
    if (tensors_.Find(name) == nullptr) return DataLoss("tensor '{}' is missing", name);
    return Optional(name, shape);
  }

  Status Optional(const std::string& name, const std::vector<int64_t>& shape) {
    const TensorView* const tensor = tensors_.Find(name);
    if (tensor == nullptr) return OkStatus();
    known_.insert(tensor->name);
    if (tensor->shape != shape) {
      return DataLoss("tensor '{}' has the shape {}, expected {}", name, ShapeText(tensor->shape),
                      ShapeText(shape));
    }
    if (shape.size() == 1 && IsQuantised(tensor->dtype)) {
      return Unimplemented("tensor '{}' is a vector of type {}; vectors must be F32, F16 or BF16", name,
                           Info(tensor->dtype).name);
    }
    return OkStatus();
  }

  // A tensor that no check asked for would change the meaning of the model, because no computation uses it.
  Status NothingElse() const {
    for (const TensorView& tensor : tensors_.all()) {
      if (!known_.contains(tensor.name)) return Unimplemented("unknown tensor {}", Quoted(tensor.name));
    }
    return OkStatus();
  }

 private:
  const TensorTable& tensors_;
  std::set<std::string_view> known_;
};

Status ValidateLayer(const ModelConfig& c, int layer, Checker& check) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  const bool bias = c.architecture == "qwen2";
  const bool norm = c.architecture == "qwen3";
  const auto one_of = [&](bool required, const char* name, int64_t size) {
    return required ? check.Required(prefix + name, {size}) : check.Optional(prefix + name, {size});
  };
  RETURN_IF_ERROR(check.Required(prefix + "attn_norm.weight", {c.d_model}));
  RETURN_IF_ERROR(check.Required(prefix + "attn_q.weight", {c.d_q(), c.d_model}));
  RETURN_IF_ERROR(check.Required(prefix + "attn_k.weight", {c.d_kv(), c.d_model}));
  RETURN_IF_ERROR(check.Required(prefix + "attn_v.weight", {c.d_kv(), c.d_model}));
  RETURN_IF_ERROR(one_of(bias, "attn_q.bias", c.d_q()));
  RETURN_IF_ERROR(one_of(bias, "attn_k.bias", c.d_kv()));
  RETURN_IF_ERROR(one_of(bias, "attn_v.bias", c.d_kv()));
  RETURN_IF_ERROR(one_of(norm, "attn_q_norm.weight", c.head_dim));
  RETURN_IF_ERROR(one_of(norm, "attn_k_norm.weight", c.head_dim));
  RETURN_IF_ERROR(check.Required(prefix + "attn_output.weight", {c.d_model, c.d_q()}));
  RETURN_IF_ERROR(check.Required(prefix + "ffn_norm.weight", {c.d_model}));
  RETURN_IF_ERROR(check.Required(prefix + "ffn_gate.weight", {c.d_ff, c.d_model}));
  RETURN_IF_ERROR(check.Required(prefix + "ffn_up.weight", {c.d_ff, c.d_model}));
  return check.Required(prefix + "ffn_down.weight", {c.d_model, c.d_ff});
}

}  // namespace

Status ValidateConfig(const ModelConfig& c) {
  const IntField fields[] = {
      {"number of layers", c.n_layers, 1, 1024},
      {"model dimension", c.d_model, 1, 1 << 20},
      {"number of heads", c.n_heads, 1, 4096},
      {"number of K/V heads", c.n_kv_heads, 1, c.n_heads},
      {"head dimension", c.head_dim, 2, 1024},
      {"feed-forward dimension", c.d_ff, 1, 1 << 22},
      {"vocabulary", c.vocab_size, 1, 1 << 24},
      {"context length", c.context_length, 1, 1 << 30},
      {"rope scaling's original context length", c.rope_scaling.original_context, 0, 1 << 30},
      {"sliding window", c.sliding_window, 0, 1 << 30},
  };
  for (const IntField& f : fields) {
    if (f.value < f.min || f.value > f.max) {
      return InvalidArgument("{} is {}, the limit is {} to {}", f.name, f.value, f.min, f.max);
    }
  }
  if (c.n_heads % c.n_kv_heads != 0) {
    return InvalidArgument("{} heads are not a multiple of {} K/V heads", c.n_heads, c.n_kv_heads);
  }
  if (c.head_dim % 2 != 0) return InvalidArgument("head dimension {} is odd", c.head_dim);
  if (!(c.norm_eps >= 0.0F && c.norm_eps <= 1.0F)) {
    return InvalidArgument("norm epsilon is {}, the limit is 0 to 1", c.norm_eps);
  }
  return ValidateRope(c);
}

Status ValidateTensors(const ModelConfig& c, const TensorTable& tensors) {
  Checker check(tensors);
  RETURN_IF_ERROR(check.Required("token_embd.weight", {c.vocab_size, c.d_model}));
  for (int layer = 0; layer < c.n_layers; ++layer) RETURN_IF_ERROR(ValidateLayer(c, layer, check));
  RETURN_IF_ERROR(check.Required("output_norm.weight", {c.d_model}));
  if (!c.tied_embeddings) RETURN_IF_ERROR(check.Required("output.weight", {c.vocab_size, c.d_model}));
  RETURN_IF_ERROR(check.Optional("rope_freqs.weight", {c.head_dim / 2}));
  return check.NothingElse();
}

}  // namespace exeunt
