// StateReader: runs given token ids through all layers of a model in one process, and hands out the hidden
// states after chosen layers. The states of a sequence that was generated in mode `off` are bit-identical to
// those it had then (the pipeline law). Owns weights and a cache for one sequence; not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kernels/cpu/thread_pool.h"
#include "worker/cpu_layers.h"
#include "worker/cpu_preview.h"

namespace exeunt {

class StateReader {
 public:
  // Called once for each depth, ascending: the states of rows [first, ids.size()) after `depth` layers,
  // [rows, d_model], valid during the call.
  using Sink = std::function<void(int depth, const float* states)>;

  static Result<std::unique_ptr<StateReader>> Create(std::shared_ptr<const ModelSource> source, int threads,
                                                     int max_tokens);

  // `depths` ascends within [0, n_layers]; 0 is the embedding. ids.size() is at most max_tokens.
  void Read(std::span<const int32_t> ids, int first, std::span<const int> depths, const Sink& sink);
  // Logits [rows, vocab] of states that went through the last layer, or through an exit's map to it.
  void Logits(const float* states, int rows, float* logits);
  // What a preview of the head says of such states.
  void Previews(const PreviewHead& preview, const float* states, int rows, CpuPreview::Row* out);
  // y = norm of x before the vocabulary head; both [d_model].
  void HeadNorm(const float* x, float* y) const;

  const ModelConfig& config() const { return weights_.source->config(); }
  const StageWeights& weights() const { return weights_; }
  const cpu::Ops& ops() const { return ops_; }
  cpu::ThreadPool* pool() { return &pool_; }

 private:
  StateReader(StageWeights weights, KvCache cache, int threads, int max_tokens);

  StageWeights weights_;
  KvCache cache_;
  const cpu::Ops& ops_;
  cpu::ThreadPool pool_;
  CpuLayers layers_;
  std::vector<int32_t> pages_;
  std::vector<LayerRow> rows_;
  std::vector<float> x_;  // [max_tokens, d_model]
  MatmulRows head_rows_;
};

}  // namespace exeunt
