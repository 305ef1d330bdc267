// StateReader runs given token ids through layers of a model and hands out the hidden states after chosen
// layers. The layers are all layers or those of one stage (state_relay.h joins stages). If a sequence was
// generated in mode `off`, its states are bit-identical to those it had then (the pipeline law). The reader
// owns weights and a cache for one sequence. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/cpu/cpu_candidates.h"
#include "backend/cpu/cpu_layers.h"
#include "backend/cpu/cpu_preview.h"
#include "kernels/cpu/thread_pool.h"
#include "model/layer_span.h"

namespace exeunt {

class StateReader {
 public:
  // Called once for each depth, ascending, with the states of rows [first, all) after `depth` layers. states:
  // [rows, d_model], valid during the call.
  using Sink = std::function<void(int depth, const float* states)>;

  // The functions below that use the head need `with_head`.
  static Result<std::unique_ptr<StateReader>> Create(std::shared_ptr<const ModelSource> source,
                                                     LayerSpan layers, bool with_head, int threads,
                                                     int max_tokens);

  // states: [ids.size(), d_model].
  void Embed(std::span<const int32_t> ids, float* states) const;
  // Runs at most max_tokens rows of a sequence from its first row on through this reader's layers. states:
  // [rows, d_model], changed in place, no deeper than the last of `depths`. `depths` ascends within [0,
  // n_layers]. Depths outside the layers belong to another reader. Depth 0, the embedding, belongs to the
  // reader of the first layer. `progress` is called after each layer.
  void Run(float* states, int rows, int first, std::span<const int> depths, const Sink& sink,
           const std::function<void()>& progress);
  // Computes logits [rows, vocab] from states after the last layer, or after an exit's map to the last layer.
  void Logits(const float* states, int rows, float* logits);
  // Computes the tokens that a preview of the head gives for such states.
  void Previews(const PreviewHead& preview, const float* states, int rows, ExitToken* out);
  // Computes the tokens that the candidates of an answer to `prompt` give for such states.
  void Candidates(const CandidateHead& frequent, const OutsideEstimate& outside,
                  const std::vector<int32_t>& prompt, const float* states, int rows, ExitToken* out);
  // y = norm of x before the vocabulary head. x, y: [d_model].
  void HeadNorm(const float* x, float* y) const;

  LayerSpan layers() const { return {weights_.layer_begin, weights_.layer_begin + Layers()}; }
  int max_tokens() const { return static_cast<int>(rows_.size()); }
  const ModelConfig& config() const { return weights_.source->config(); }
  const StageWeights& weights() const { return weights_; }
  const cpu::Ops& ops() const { return ops_; }
  cpu::ThreadPool* pool() { return &pool_; }

 private:
  StateReader(StageWeights weights, KvCache cache, int threads, int max_tokens);
  int Layers() const { return static_cast<int>(weights_.layers.size()); }

  StageWeights weights_;
  KvCache cache_;
  const cpu::Ops& ops_;
  cpu::ThreadPool pool_;
  CpuLayers layers_;
  std::vector<int32_t> pages_;
  std::vector<LayerRow> rows_;
  MatmulRows head_rows_;
};

}  // namespace exeunt
