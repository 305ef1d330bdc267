#include "worker/state_reader.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "worker/sized.h"

namespace exeunt {
Result<std::unique_ptr<StateReader>> StateReader::Create(std::shared_ptr<const ModelSource> source,
                                                         int threads, int max_tokens) {
  const int n_layers = source->config().n_layers;
  ASSIGN_OR_RETURN(StageWeights weights,
                   LoadStageWeights(source, {.layer_end = n_layers, .with_head = true}, [](float) {}));
  ASSIGN_OR_RETURN(KvCache cache,
                   KvCache::Create(source->config(), n_layers, max_tokens / cpu::kPageTokens + 1));
  return std::unique_ptr<StateReader>(
      new StateReader(std::move(weights), std::move(cache), threads, max_tokens));
}

StateReader::StateReader(StageWeights weights, KvCache cache, int threads, int max_tokens)
    : weights_(std::move(weights)),
      cache_(std::move(cache)),
      ops_(cpu::OpsFor(cpu::DefaultIsa())),
      pool_(threads),
      layers_(weights_, cache_, ops_, &pool_),
      pages_(Size(max_tokens / cpu::kPageTokens + 1)),
      rows_(Size(max_tokens)),
      x_(Size(max_tokens) * Size(config().d_model)),
      head_rows_(ops_) {
  std::iota(pages_.begin(), pages_.end(), 0);
}

void StateReader::Read(std::span<const int32_t> ids, int first, std::span<const int> depths,
                       const Sink& sink) {
  const size_t d = Size(config().d_model);
  CHECK_LE(ids.size(), rows_.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    rows_[i] = {.position = static_cast<int32_t>(i), .token = ids[i], .pages = &pages_};
    weights_.Embed(ids[i], &x_[i * d]);
  }
  const int rows = static_cast<int>(ids.size());
  const CpuBatch batch{rows, rows, rows_.data(), x_.data()};
  layers_.Begin(batch);
  int depth = 0;
  for (const int wanted : depths) {
    CHECK_LE(depth, wanted);
    for (; depth < wanted; ++depth) layers_.Forward(depth, batch);
    sink(depth, &x_[Size(first) * d]);
  }
}

void StateReader::HeadNorm(const float* x, float* y) const {
  ops_.rms_norm(x, weights_.head_norm.data(), config().d_model, config().norm_eps, y);
}

void StateReader::Previews(const PreviewHead& preview, const float* states, int rows, CpuPreview::Row* out) {
  CpuPreview(preview, weights_, ops_, &pool_, &layers_).Run(states, rows, out);
}

void StateReader::Logits(const float* states, int rows, float* logits) {
  head_rows_.Reset(rows, weights_.head);
  layers_.Normalise(states, weights_.head_norm, rows, &head_rows_);
  layers_.Apply(weights_.head, head_rows_.all(), {logits, Size(config().vocab_size), false});
}

}  // namespace exeunt
