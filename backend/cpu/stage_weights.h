// StageWeights has the tensors of one pipeline stage, packed for the kernels. A stage reads only its own
// layers, and the vocabulary head if a token may leave there. Embeddings are looked up in the file's own
// pages. Immutable after Load. Thread-safe. It keeps the source open.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "backend/cpu/linear.h"
#include "base/result.h"
#include "model/model_source.h"

namespace exeunt {

struct LayerWeights {
  std::vector<float> attn_norm;  // [d_model]
  std::vector<float> ffn_norm;   // [d_model]
  std::vector<float> q_norm;     // [head_dim], for Qwen3 only, else empty
  std::vector<float> k_norm;
  Linear q;        // [d_q, d_model]
  Linear kv;       // [2 d_kv, d_model]: K, then V
  Linear o;        // [d_model, d_q]
  Linear gate_up;  // [2 d_ff, d_model]: see Linear::LoadGateUp
  Linear down;     // [d_model, d_ff]
  size_t bytes() const;
};

struct StageWeights {
  std::shared_ptr<const ModelSource> source;
  int layer_begin = 0;
  std::vector<LayerWeights> layers;
  std::vector<float> head_norm;  // [d_model]; empty if no token leaves at this stage
  Linear head;                   // [vocab, d_model]

  const LayerWeights& layer(int global) const { return layers[static_cast<size_t>(global - layer_begin)]; }
  size_t bytes() const;
  // Writes the hidden state of a token before the first layer. dst: [d_model].
  void Embed(int32_t token, float* dst) const;
};

struct StageWeightsOptions {
  int layer_begin = 0;
  int layer_end = 0;
  bool with_head = false;
  // Keeps every matrix as F32, with the file's exact numbers and without rounding activations to 8 bits. It
  // needs up to 7 times the memory and reading of Q4. It serves to check numbers and to judge the cost of a
  // quantisation.
  bool dequantise = false;
};

// Calls `progress` with the fraction of the stage's tensors that are loaded. It is an error if the kernels
// cannot take the dimensions of a layer (head_dim not a multiple of 16, ...). The error names the limit.
Result<StageWeights> LoadStageWeights(std::shared_ptr<const ModelSource> source,
                                      const StageWeightsOptions& options,
                                      const std::function<void(float)>& progress);

}  // namespace exeunt
