// ModelConfig is the architecture of a Llama-family decoder. It has everything that the layers must know
// beside the tensors. The file loaders (gguf_model.h, hf_model.h) fill it in and validate it once. All other
// code trusts it.
#pragma once

#include <string>
#include <vector>

namespace exeunt {

// The pairs of a head that RoPE rotates. They are (2i, 2i+1), as GGUF stores Llama, or (i, i + d/2), as
// Hugging Face and Qwen do.
enum class RopeStyle { kInterleaved, kHalves };

enum class RopeScalingKind { kNone, kLinear, kLlama3, kYarn };

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  float factor = 1.0F;
  int original_context = 0;           // training context in tokens (llama3, yarn)
  float low_freq_factor = 1.0F;       // llama3
  float high_freq_factor = 4.0F;      // llama3
  float beta_fast = 32.0F;            // yarn
  float beta_slow = 1.0F;             // yarn
  float attention_factor = 0.0F;      // yarn: scale of cos and sin; 0: derived as 0.1 ln(factor) + 1
  float extrapolation_factor = 1.0F;  // yarn: share of the extrapolation where it applies
  bool truncate = true;               // yarn: whether the ends of the blend are whole pairs
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
  int context_length = 0;           // positions, after RoPE scaling
  int unscaled_context_length = 0;  // positions in the file (max_position_embeddings, GGUF's context_length)
  float norm_eps = 1e-5F;
  float rope_theta = 10000.0F;
  RopeStyle rope_style = RopeStyle::kHalves;
  RopeScaling rope_scaling;
  // Divisors of each pair's frequency (GGUF's rope_freqs.weight, which holds Llama 3's scaling). It is empty
  // or [head_dim / 2].
  std::vector<float> rope_freq_factors;
  bool tied_embeddings = false;
  int sliding_window = 0;             // positions that a row sees, with its own; 0: all
  std::vector<std::string> warnings;  // notes on the file for an operator, without effect

  // The name of the tensor of the vocabulary head, without ".weight".
  const char* head_tensor() const { return tied_embeddings ? "token_embd" : "output"; }
  int d_q() const { return n_heads * head_dim; }
  int d_kv() const { return n_kv_heads * head_dim; }
};

}  // namespace exeunt
