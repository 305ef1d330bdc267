// StageWeights: the tensors of one pipeline stage, packed for the kernels. A stage reads its own layers only;
// the vocabulary head where a token may leave; the embedding is looked up in the file's own pages. Immutable
// after Load; thread-safe. Keeps the source open.
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
  std::vector<float> q_norm;     // [head_dim], Qwen3 only, else empty
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
  std::vector<float> head_norm;  // [d_model]; empty where no token leaves here
  Linear head;                   // [vocab, d_model]

  const LayerWeights& layer(int global) const { return layers[static_cast<size_t>(global - layer_begin)]; }
  size_t bytes() const;
  // Hidden state of a token before the first layer; dst: [d_model].
  void Embed(int32_t token, float* dst) const;
};

struct StageWeightsOptions {
  int layer_begin = 0;
  int layer_end = 0;
  bool with_head = false;
  // Every matrix is kept as F32: the file's numbers exactly, activations never rounded to 8 bits, at up to 7
  // times the memory and reading of Q4. For checking numbers, and for judging what a quantisation costs.
  bool dequantise = false;
};

// `progress` is called with the fraction of the stage's tensors that are loaded. Layers whose dimensions the
// kernels cannot take (head_dim not a multiple of 16, ...) give an error naming the limit.
Result<StageWeights> LoadStageWeights(std::shared_ptr<const ModelSource> source,
                                      const StageWeightsOptions& options,
                                      const std::function<void(float)>& progress);

}  // namespace exeunt
