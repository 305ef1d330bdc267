#include "worker/core/row_maker.h"

#include <algorithm>
#include <cmath>

namespace exeunt::worker {

RowMaker::RowMaker(const StageConfig* config, SequenceTable* sequences, SlotPool* slots, Batcher* batcher)
    : config_(config),
      sequences_(sequences),
      slots_(slots),
      batcher_(batcher),
      stages_used_(config->ranks()) {}

void RowMaker::Closed(const Sequence& sequence) {
  const uint64_t id = sequence.id();
  if (sequence.prompt_issued >= sequence.kept) {
    prefill_.RemoveIf([id](uint64_t waiting) { return waiting == id; });
  }
  ready_.RemoveIf([id](uint64_t waiting) { return waiting == id; });
}

void RowMaker::LearnExit(int exit_layer) {
  constexpr double kWeight = 1.0 / 64;  // weight of one token
  const auto& split = config_->split;
  const auto last_used =
      std::find_if(split.begin(), split.end(), [&](LayerSpan span) { return span.end >= exit_layer; });
  const auto used = static_cast<double>(last_used - split.begin() + 1);
  stages_used_ += kWeight * (used - stages_used_);
}

// A step has a share of the decode rows. Every stage in use then has its own batch, and the rows do not
// travel as one convoy. A step also has a chunk of prompts, which is no larger than makes a row cheap. Rows
// behind a smaller chunk wait less, and the next stage begins sooner.
void RowMaker::Make(TimePoint now) {
  const int decoding = static_cast<int>(sequences_->size() - prefill_.size());
  const int share = static_cast<int>(std::ceil(decoding / stages_used_ - 1e-6));
  if (!config_->prefill_first || prefill_.empty()) {
    MakeDecodeRows(std::min(share, config_->max_batch_rows), now);
  }
  const int chunk = layer_cost_.RowsToTry(config_->least_prefill_chunk_tokens, config_->prefill_chunk_tokens);
  MakePromptRows(std::min(chunk, config_->max_batch_rows), now);
}

void RowMaker::MakeRow(const Sequence& sequence, int position, const RowPlan& plan, TimePoint now) {
  const StateRow row{.sequence = sequence.id(),
                     .generation = sequence.generation,
                     .position = position,
                     .token = sequence.tokens[static_cast<size_t>(position)],
                     .plan = plan,
                     .want_logits = sequence.spec->want_logits};
  batcher_->Push(0, {row, slots_->Take(), now});
}

void RowMaker::MakeDecodeRows(int limit, TimePoint now) {
  const RowPlan live = RowPlan::Live(config_->limits.n_layers);
  for (int made = 0; made < limit && !ready_.empty(); ++made) {
    const Sequence& s = *sequences_->Find(ready_.Take());
    MakeRow(s, static_cast<int>(s.tokens.size()) - 1, live, now);
  }
}

void RowMaker::MakePromptRows(int budget, TimePoint now) {
  const int n = config_->limits.n_layers;
  while (budget > 0 && !prefill_.empty()) {
    Sequence* s = sequences_->Find(prefill_.front());
    const int last = s->spec->prompt_tokens() - 1;
    const int end = s->closing ? s->kept : last + 1;
    const int score_from = s->spec->score_from;
    for (; budget > 0 && s->prompt_issued < end; --budget, ++s->prompt_issued) {
      const int position = s->prompt_issued;
      const bool scored = score_from > 0 && position + 1 >= score_from;
      const RowPlan plan = position == last ? RowPlan::Live(n)
                           : scored         ? RowPlan::Scored(n)
                                            : RowPlan::Prompt(n);
      MakeRow(*s, position, plan, now);
    }
    if (s->prompt_issued < end) return;
    prefill_.Take();
  }
}

}  // namespace exeunt::worker
