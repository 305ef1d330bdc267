// ModelConfig is the architecture of a Llama-family decoder: everything the layers need to know beside
// the tensors. Filled by the file loaders (gguf.h, hf_model.h), validated once there, trusted afterwards.
#pragma once

#include <string>
#include <vector>

namespace exeunt {

// Which pairs of a head RoPE rotates: (2i, 2i+1), as GGUF stores Llama; or (i, i + d/2), as Hugging Face and
// Qwen.
enum class RopeStyle { kInterleaved, kHalves };

enum class RopeScalingKind { kNone, kLinear, kLlama3, kYarn };

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  float factor = 1.0F;
  int original_context = 0;           // tokens the model was trained on (llama3, yarn)
  float low_freq_factor = 1.0F;       // llama3
  float high_freq_factor = 4.0F;      // llama3
  float beta_fast = 32.0F;            // yarn
  float beta_slow = 1.0F;             // yarn
  float attention_factor = 0.0F;      // yarn: scales cos and sin; 0 = derived, 0.1 ln(factor) + 1
  float extrapolation_factor = 1.0F;  // yarn: share of the extrapolation where it applies
  bool truncate = true;               // yarn: the blend's ends are whole pairs
};

struct ModelConfig {
  std::string architecture;  // "llama", "mistral", "qwen2", "qwen3"
  std::string name;
  int n_layers = 0;
  int d_model = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int d_ff = 0;
  int vocab_size = 0;
  int context_length = 0;           // positions, with what RoPE scaling makes of them
  int unscaled_context_length = 0;  // as the file says it (max_position_embeddings, GGUF's context_length)
  float norm_eps = 1e-5F;
  float rope_theta = 10000.0F;
  RopeStyle rope_style = RopeStyle::kHalves;
  RopeScaling rope_scaling;
  // Divides each pair's frequency (GGUF's rope_freqs.weight, which holds Llama 3's scaling); empty or
  // [head_dim / 2].
  std::vector<float> rope_freq_factors;
  bool tied_embeddings = false;
  int sliding_window = 0;             // positions a row sees, itself included; 0 = all
  std::vector<std::string> warnings;  // what an operator should know of the file; changes nothing

  // Name, without ".weight", of the tensor that is the vocabulary head.
  const char* head_tensor() const { return tied_embeddings ? "token_embd" : "output"; }
  int d_q() const { return n_heads * head_dim; }
  int d_kv() const { return n_kv_heads * head_dim; }
};

}  // namespace exeunt
