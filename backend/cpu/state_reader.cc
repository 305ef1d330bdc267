#include "backend/cpu/state_reader.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/sized.h"

namespace exeunt {
Result<std::unique_ptr<StateReader>> StateReader::Create(std::shared_ptr<const ModelSource> source,
                                                         LayerSpan layers, bool with_head, int threads,
                                                         int max_tokens) {
  ASSIGN_OR_RETURN(StageWeights weights,
                   LoadStageWeights(source, {layers.begin, layers.end, with_head}, [](float) {}));
  ASSIGN_OR_RETURN(KvCache cache, KvCache::Create(source->config(), layers.end - layers.begin,
                                                  max_tokens / kPageTokens + 1));
  return std::unique_ptr<StateReader>(
      new StateReader(std::move(weights), std::move(cache), threads, max_tokens));
}

StateReader::StateReader(StageWeights weights, KvCache cache, int threads, int max_tokens)
    : weights_(std::move(weights)),
      cache_(std::move(cache)),
      ops_(cpu::OpsFor(cpu::DefaultIsa())),
      pool_(threads),
      layers_(weights_, cache_, ops_, &pool_),
      pages_(Size(max_tokens / kPageTokens + 1)),
      rows_(Size(max_tokens)),
      head_rows_(ops_) {
  std::iota(pages_.begin(), pages_.end(), 0);
  for (int i = 0; i < max_tokens; ++i) rows_[Size(i)] = {.position = i, .pages = &pages_};
}

void StateReader::Embed(std::span<const int32_t> ids, float* states) const {
  const size_t d = Size(config().d_model);
  for (size_t i = 0; i < ids.size(); ++i) weights_.Embed(ids[i], states + i * d);
}

void StateReader::Run(float* states, int rows, int first, std::span<const int> depths, const Sink& sink,
                      const std::function<void()>& progress) {
  CHECK_LE(rows, max_tokens());
  const CpuBatch batch{rows, rows, rows_.data(), states};
  layers_.Begin(batch);
  auto wanted = depths.begin();
  const auto hand_out = [&](int depth) {
    for (; wanted != depths.end() && *wanted == depth; ++wanted)
      sink(depth, states + Size(first) * Size(config().d_model));
  };
  const LayerSpan span = layers();
  if (span.begin == 0) hand_out(0);
  while (wanted != depths.end() && *wanted <= span.begin) ++wanted;
  const int end = depths.empty() ? span.begin : std::min(span.end, depths.back());
  for (int layer = span.begin; layer < end; ++layer) {
    layers_.Forward(layer, batch);
    hand_out(layer + 1);
    progress();
  }
}

void StateReader::HeadNorm(const float* x, float* y) const {
  ops_.rms_norm(x, weights_.head_norm.data(), config().d_model, config().norm_eps, y);
}

void StateReader::Previews(const PreviewHead& preview, const float* states, int rows, ExitToken* out) {
  const std::vector<CheapHeadRow> anyones(Size(rows));
  CpuPreview(preview, weights_, ops_, &pool_, &layers_).Run(0, states, anyones, out);
}

void StateReader::Candidates(const CandidateHead& frequent, const OutsideEstimate& outside,
                             const std::vector<int32_t>& prompt, const float* states, int rows,
                             ExitToken* out) {
  const std::vector<CheapHeadRow> of_prompt(Size(rows), {1, &prompt});
  CpuCandidates(
      frequent, [&outside](int) { return &outside; }, weights_, ops_, &pool_, &layers_)
      .Run(0, states, of_prompt, out);
}

void StateReader::Logits(const float* states, int rows, float* logits) {
  head_rows_.Reset(rows, weights_.head);
  layers_.Normalise(states, weights_.head_norm, rows, &head_rows_);
  layers_.Apply(weights_.head, head_rows_.all(), {logits, Size(config().vocab_size), false});
}

}  // namespace exeunt
