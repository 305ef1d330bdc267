#include "model/testing/random_model.h"

#include <cmath>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "kernels/quantize.h"
#include "model/testing/gguf_writer.h"

namespace exeunt {
namespace {

uint32_t HashName(const std::string& name) {  // FNV-1a
  uint32_t hash = 2166136261;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619;
  return hash;
}

// Returns a nearly normal number with mean 0 and deviation 1, within ±3.47. It is the exact sum of four
// uniform numbers, so that no libm is involved.
float Normal(uint64_t seed, uint32_t tensor, uint64_t element) {
  const Philox4 r =
      Philox(seed, {static_cast<uint32_t>(element), static_cast<uint32_t>(element >> 32), tensor, 0});
  const uint64_t sum = (r[0] >> 12) + (r[1] >> 12) + (r[2] >> 12) + (r[3] >> 12);
  const float centred = static_cast<float>(static_cast<int64_t>(sum) - 2 * (int64_t{1} << 20)) * 0x1p-20F;
  return centred * 1.7320508F;  // the sum's variance is 4/12
}

class Builder {
 public:
  explicit Builder(const RandomModelSpec& spec, int parts = 1)
      : spec_(spec), writers_(static_cast<size_t>(parts)) {}

  Status Matrix(const std::string& name, DType type, int rows, int columns) {
    if (columns % Info(type).block_elements != 0) {
      return InvalidArgument("tensor {}: rows of {} elements are not a multiple of {}'s block of {}", name,
                             columns, Info(type).name, Info(type).block_elements);
    }
    const float deviation = 1.0F / std::sqrt(static_cast<float>(columns));
    Add(name, type, {rows, columns}, 0.0F, deviation);
    return OkStatus();
  }

  // Writes a matrix of a layer.
  Status LayerMatrix(const std::string& name, int rows, int columns) {
    DType type = spec_.dtype;
    for (size_t tried = 0; tried < spec_.mixed_dtypes.size(); ++tried) {
      type = spec_.mixed_dtypes[next_type_++ % spec_.mixed_dtypes.size()];
      if (columns % Info(type).block_elements == 0) break;
    }
    return Matrix(name, type, rows, columns);
  }

  void Vector(const std::string& name, int size, float mean) { Add(name, DType::kF32, {size}, mean, 0.1F); }

  GgufWriter& writer() { return writers_[0]; }
  std::vector<GgufWriter>& writers() { return writers_; }

 private:
  void Add(const std::string& name, DType type, const std::vector<int64_t>& shape, float mean,
           float deviation) {
    size_t n = 1;
    for (int64_t dimension : shape) n *= static_cast<size_t>(dimension);
    std::vector<float> values(n);
    const uint32_t tensor = HashName(name);
    for (size_t i = 0; i < n; ++i) values[i] = mean + deviation * Normal(spec_.seed, tensor, i);
    writers_[n_tensors_++ % writers_.size()].AddTensor(name, type, shape, QuantizeRow(type, values));
  }

  const RandomModelSpec& spec_;
  std::vector<GgufWriter> writers_;
  size_t n_tensors_ = 0;
  size_t next_type_ = 0;
};

// `code` is below 0x800.
std::string Utf8(uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

// GPT-2's bytes_to_unicode. Printable Latin-1 stands for itself. The other bytes become U+0100 and up, in
// order.
std::vector<std::string> ByteTokens() {
  std::vector<std::string> tokens;
  uint32_t next = 256;
  for (uint32_t b = 0; b < 256; ++b) {
    const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    tokens.push_back(Utf8(itself ? b : next++));
  }
  return tokens;
}

void SetTokenizer(const RandomModelSpec& spec, GgufWriter& writer) {
  constexpr int kNormal = 1, kControl = 3, kUnused = 5;
  std::vector<std::string> tokens = ByteTokens();
  std::vector<int32_t> types(tokens.size(), kNormal);
  for (const char* special : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    tokens.emplace_back(special);
    types.push_back(kControl);
  }
  const auto rows = static_cast<size_t>(spec.vocab_size);
  const size_t n_tokens = spec.n_tokens == 0 ? rows : static_cast<size_t>(spec.n_tokens);
  while (tokens.size() < n_tokens) {
    const bool unused = tokens.size() < rows;
    tokens.push_back(fmt::format("<|{}_{}|>", unused ? "unused" : "extra", tokens.size()));
    types.push_back(unused ? kUnused : kControl);
  }
  writer.SetString("tokenizer.ggml.model", "gpt2");
  writer.SetString("tokenizer.ggml.pre", "smollm");
  writer.SetStrings("tokenizer.ggml.tokens", tokens);
  writer.SetInt32s("tokenizer.ggml.token_type", types);
  writer.SetStrings("tokenizer.ggml.merges", {});
  writer.SetUint32("tokenizer.ggml.bos_token_id", 257);
  writer.SetUint32("tokenizer.ggml.eos_token_id", 258);
  writer.SetBool("tokenizer.ggml.add_bos_token", false);
  if (!spec.chat_template.empty()) writer.SetString("tokenizer.chat_template", spec.chat_template);
}

void SetConfig(const RandomModelSpec& spec, GgufWriter& writer) {
  const auto set = [&](const char* key, int value) {
    writer.SetUint32(spec.architecture + key, static_cast<uint32_t>(value));
  };
  writer.SetString("general.architecture", spec.architecture);
  writer.SetString("general.name", "random");
  set(".block_count", spec.n_layers);
  set(".context_length", spec.context_length);
  set(".embedding_length", spec.d_model);
  set(".feed_forward_length", spec.d_ff);
  set(".attention.head_count", spec.n_heads);
  set(".attention.head_count_kv", spec.n_kv_heads);
  set(".attention.key_length", spec.head_dim);
  set(".attention.value_length", spec.head_dim);
  set(".rope.dimension_count", spec.head_dim);
  set(".vocab_size", spec.vocab_size);
  writer.SetFloat32(spec.architecture + ".rope.freq_base", spec.rope_theta);
  writer.SetFloat32(spec.architecture + ".attention.layer_norm_rms_epsilon", spec.norm_eps);
  if (spec.sliding_window > 0) set(".attention.sliding_window", spec.sliding_window);
  const RopeScaling& scaling = spec.rope_scaling;
  if (scaling.kind == RopeScalingKind::kNone) return;
  const std::string rope = spec.architecture + ".rope.scaling.";
  writer.SetString(rope + "type", scaling.kind == RopeScalingKind::kYarn ? "yarn" : "linear");
  writer.SetFloat32(rope + "factor", scaling.factor);
  if (scaling.kind == RopeScalingKind::kYarn) {
    set(".rope.scaling.original_context_length", scaling.original_context);
    writer.SetFloat32(rope + "yarn_beta_fast", scaling.beta_fast);
    writer.SetFloat32(rope + "yarn_beta_slow", scaling.beta_slow);
  }
}

Status AddLayer(const RandomModelSpec& spec, int layer, Builder& builder) {
  const std::string prefix = fmt::format("blk.{}.", layer);
  const int d_q = spec.n_heads * spec.head_dim;
  const int d_kv = spec.n_kv_heads * spec.head_dim;
  builder.Vector(prefix + "attn_norm.weight", spec.d_model, 1.0F);
  RETURN_IF_ERROR(builder.LayerMatrix(prefix + "attn_q.weight", d_q, spec.d_model));
  RETURN_IF_ERROR(builder.LayerMatrix(prefix + "attn_k.weight", d_kv, spec.d_model));
  RETURN_IF_ERROR(builder.LayerMatrix(prefix + "attn_v.weight", d_kv, spec.d_model));
  if (spec.qkv_bias || spec.architecture == "qwen2") {
    builder.Vector(prefix + "attn_q.bias", d_q, 0.0F);
    builder.Vector(prefix + "attn_k.bias", d_kv, 0.0F);
    builder.Vector(prefix + "attn_v.bias", d_kv, 0.0F);
  }
  if (spec.qk_norm || spec.architecture == "qwen3") {
    builder.Vector(prefix + "attn_q_norm.weight", spec.head_dim, 1.0F);
    builder.Vector(prefix + "attn_k_norm.weight", spec.head_dim, 1.0F);
  }
  RETURN_IF_ERROR(builder.LayerMatrix(prefix + "attn_output.weight", spec.d_model, d_q));
  builder.Vector(prefix + "ffn_norm.weight", spec.d_model, 1.0F);
  RETURN_IF_ERROR(builder.LayerMatrix(prefix + "ffn_gate.weight", spec.d_ff, spec.d_model));
  RETURN_IF_ERROR(builder.LayerMatrix(prefix + "ffn_up.weight", spec.d_ff, spec.d_model));
  return builder.LayerMatrix(prefix + "ffn_down.weight", spec.d_model, spec.d_ff);
}

Status AddModel(const RandomModelSpec& spec, Builder& builder) {
  CHECK_MSG(spec.rope_scaling.kind != RopeScalingKind::kLlama3, "GGUF has it as rope_freq_factors");
  SetConfig(spec, builder.writer());
  if (spec.vocab_size >= 259) SetTokenizer(spec, builder.writer());
  RETURN_IF_ERROR(builder.Matrix("token_embd.weight", spec.embedding_dtype, spec.vocab_size, spec.d_model));
  for (int layer = 0; layer < spec.n_layers; ++layer) RETURN_IF_ERROR(AddLayer(spec, layer, builder));
  builder.Vector("output_norm.weight", spec.d_model, 1.0F);
  if (!spec.tied) {
    RETURN_IF_ERROR(builder.Matrix("output.weight", spec.embedding_dtype, spec.vocab_size, spec.d_model));
  }
  if (!spec.rope_freq_factors.empty()) {
    const std::vector<float>& factors = spec.rope_freq_factors;
    builder.writer().AddTensor("rope_freqs.weight", DType::kF32, {static_cast<int64_t>(factors.size())},
                               std::as_bytes(std::span(factors)));
  }
  return OkStatus();
}

}  // namespace

Status WriteRandomModel(const RandomModelSpec& spec, const std::string& path) {
  Builder builder(spec);
  RETURN_IF_ERROR(AddModel(spec, builder));
  return builder.writer().WriteTo(path);
}

Result<std::vector<std::string>> WriteSplitRandomModel(const RandomModelSpec& spec, const std::string& prefix,
                                                       int parts) {
  Builder builder(spec, parts);
  RETURN_IF_ERROR(AddModel(spec, builder));
  int tensors = 0;
  for (const GgufWriter& writer : builder.writers()) tensors += static_cast<int>(writer.n_tensors());
  std::vector<std::string> paths;
  for (int part = 0; part < parts; ++part) {
    GgufWriter& writer = builder.writers()[static_cast<size_t>(part)];
    writer.SetUint16("split.no", static_cast<uint16_t>(part));
    writer.SetUint16("split.count", static_cast<uint16_t>(parts));
    writer.SetInt32("split.tensors.count", tensors);
    paths.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part + 1, parts));
    RETURN_IF_ERROR(writer.WriteTo(paths.back()));
  }
  return paths;
}

}  // namespace exeunt
