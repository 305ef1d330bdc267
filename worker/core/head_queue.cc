#include "worker/core/head_queue.h"

#include "base/check.h"

namespace exeunt::worker {
namespace {

// Returns the tokens before the token that is drawn after a row. The row's own token is among them. `tokens`
// never moves in memory.
TokenHistory History(const Sequence& sequence, const StateRow& row) {
  const SequenceSpec& spec = *sequence.spec;
  if (!row.plan.Answers() || !spec.sampling.AdjustsLogits()) return {};
  const auto before = std::span(sequence.tokens).first(static_cast<size_t>(row.position) + 1);
  return {before.first(spec.prompt.size()), before.subspan(spec.prompt.size()), spec.end_tokens};
}

}  // namespace

// While more rows make a row cheaper, rows wait for rows that are deeper in this stage. They never wait for
// rows that come after them.
bool HeadQueue::Due(const Batcher& batcher) const {
  if (entries_.empty()) return false;
  if (static_cast<int>(entries_.size()) >= cost_.curve().EfficientRows(batch_rows_)) return true;
  size_t first = batcher.segments();
  for (const HeadEntry& entry : entries_) {
    if (entry.decide) return true;  // its row may have to go on
    first = std::min(first, entry.segment);
  }
  return !batcher.HasRunnable(first + 1);
}

void HeadQueue::Take(SequenceTable* sequences, std::vector<HeadEntry>* taken, HeadJob* job) {
  taken->clear();
  std::swap(*taken, entries_);
  job->rows.clear();
  for (const HeadEntry& entry : *taken) {
    const StateRow& row = entry.row.row;
    Sequence* s = sequences->Find(row.sequence);
    CHECK(s != nullptr);
    ++s->rows_in_jobs;
    const auto next = static_cast<uint32_t>(row.position + 1);
    job->rows.push_back({entry.row.slot, entry.layer, next, &s->spec->sampling, row.want_logits,
                         row.plan.Scores() ? s->spec->prompt[next] : -1, History(*s, row)});
  }
}

}  // namespace exeunt::worker
