// Tiny random models for tests. The laws of the pipeline hold for any weights. The file depends only on the
// spec. It is the same on every machine and compiler.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/dtype.h"
#include "model/config.h"

namespace exeunt {

struct RandomModelSpec {
  std::string architecture = "llama";  // "llama", "qwen2", "qwen3"
  int n_layers = 4;
  int d_model = 64;
  int n_heads = 4;
  int n_kv_heads = 2;
  int head_dim = 16;
  int d_ff = 128;
  int vocab_size = 256;  // at least 259, because the file has a byte-level tokenizer
  int n_tokens = 0;  // tokenizer's size, at least 259; 0: vocab_size; above: control tokens "<|extra_ID|>"
  int context_length = 512;
  DType dtype = DType::kF32;            // type of the matrices; their rows must be multiples of its block
  DType embedding_dtype = DType::kF32;  // type of token_embd and output
  // If it is not empty, the matrices of the layers take these types in turn instead of `dtype`. A type whose
  // block does not fit a matrix's rows is skipped.
  std::vector<DType> mixed_dtypes;
  bool tied = true;
  bool qkv_bias = false;  // always for qwen2
  bool qk_norm = false;   // always for qwen3
  int sliding_window = 0;
  float norm_eps = 1e-5F;
  float rope_theta = 10000.0F;
  // kLinear or kYarn, without attention_factor. GGUF has Llama 3's scaling as frequency factors.
  RopeScaling rope_scaling;
  std::vector<float> rope_freq_factors;  // [head_dim / 2] or empty
  std::string chat_template;             // "" for none
  uint64_t seed = 1;
};

// Writes the model as a GGUF file. Matrices have a standard deviation of 1 / sqrt(fan in), norms are near 1.
// Fails if `path` cannot be written or a row is not a multiple of the dtype's block.
Status WriteRandomModel(const RandomModelSpec& spec, const std::string& path);

// Writes the same model in parts, PREFIX-00001-of-0000N.gguf and so on, and returns their paths. The tensors
// are dealt to the parts in turn.
Result<std::vector<std::string>> WriteSplitRandomModel(const RandomModelSpec& spec, const std::string& prefix,
                                                       int parts);

}  // namespace exeunt
