// The lives of sequences on a stage: opened, closed, and what they leave behind for others to share.
#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "kernels/kv_layout.h"
#include "worker/core/stage.h"

namespace exeunt {

// Takes the pages of the prefix that the sequence shares with another, which is open or has left them behind.
// Stage 0 decides whether it does: the other may be over by now. What it forwards says so, and in the FIFO
// behind it the other is still there.
Status Stage::SharePrefix(SequenceSpec* spec, std::vector<int32_t>* pages) {
  if (spec->prefix_of == 0) return OkStatus();
  const int n = spec->prefix_tokens;
  Sequence* open = Find(spec->prefix_of);
  if (open != nullptr && open->closing && open->retained < n) open = nullptr;
  const auto left = retained_.find(spec->prefix_of);
  if (open == nullptr && left == retained_.end()) {
    if (!first()) {
      return DataLoss("sequence {} shares a prefix with {}, which is not open", spec->sequence,
                      spec->prefix_of);
    }
    spec->prefix_of = 0;
    spec->prefix_tokens = 0;
    return OkStatus();
  }
  const std::vector<int32_t>& prompt = (open != nullptr ? open->spec : left->second.spec)->prompt;
  // The last row of a prompt may leave early: its K/V need not be the full model's.
  const int most = open != nullptr ? static_cast<int>(prompt.size()) - 1 : left->second.tokens;
  if (n > most || !std::equal(prompt.begin(), prompt.begin() + n, spec->prompt.begin())) {
    return DataLoss("sequence {} shares {} tokens with {}, whose prompt of {} does not begin with them",
                    spec->sequence, n, spec->prefix_of, prompt.size());
  }
  if (open != nullptr) open->kept = std::max(open->kept, n);
  const std::vector<int32_t>& from = open != nullptr ? open->pages : left->second.pages;
  pages_.Share(std::span(from).first(static_cast<size_t>(n / kPageTokens)), pages);
  return OkStatus();
}

bool Stage::Open(SequenceSpec spec) {
  const uint64_t id = spec.sequence;
  if (Find(id) != nullptr) {
    Fail(Internal("sequence {} is opened twice", id));
    return false;
  }
  auto sequence = std::make_unique<Sequence>();
  if (const Status shared = SharePrefix(&spec, &sequence->pages); !shared) {
    Fail(shared.error());
    return false;
  }
  const int needed = (spec.positions() - spec.prefix_tokens + kPageTokens - 1) / kPageTokens;
  if (!pages_.Allocate(needed, &sequence->pages)) {
    Fail(ResourceExhausted("sequence {} needs {} KV pages and {} of {} are used: admission reserved too much",
                           id, needed, pages_.used(), pages_.total()));
    return false;
  }
  sequence->tokens.reserve(static_cast<size_t>(spec.positions()));
  sequence->tokens = spec.prompt;
  sequence->watermark.assign(segments_.size(), spec.prefix_tokens);
  sequence->prompt_issued = spec.prefix_tokens;
  sequence->spec = std::make_shared<const SequenceSpec>(std::move(spec));
  ++opened_;
  if (!last()) outbox_.push_back({{.sequence = id, .kind = RowKind::kOpen}, -1, now_, sequence->spec});
  if (first()) prefill_.push_back(id);
  sequences_.emplace(id, std::move(sequence));
  return true;
}

void Stage::On(AdmitSequences& event) {
  for (SequenceSpec& spec : event.specs) {
    if (!Open(std::move(spec))) return;
  }
}

void Stage::On(CancelSequences& event) {
  for (uint64_t id : event.sequences) {
    Sequence* sequence = Find(id);
    if (sequence != nullptr && !sequence->closing) Finished(sequence, Finish::kCancelled);
  }
}

void Stage::OnRollback(const FrameRow& row) {
  Sequence* sequence = Find(row.sequence);
  if (sequence == nullptr || sequence->closing || row.generation <= sequence->generation) {
    ++counters_.stale_frames;
    return;
  }
  sequence->generation = row.generation;
  DropRows(row.sequence, row.generation);
  sequence->tokens.resize(std::min(sequence->tokens.size(), static_cast<size_t>(row.position)));
  for (int& mark : sequence->watermark) mark = std::min(mark, row.position);
  if (!last()) outbox_.push_back({row, -1, now_, nullptr});
}

// Whether the row runs even when its sequence is over: another sequence attends to it, or a score is due.
bool Stage::Outlives(const Sequence& sequence, const FrameRow& row) {
  return row.kind == RowKind::kPrompt && row.position < sequence.kept;
}

// Whether the row scores the token behind it: only a cancel takes that back.
bool Stage::Scores(const Sequence& sequence, const FrameRow& row) {
  return row.kind == RowKind::kPrompt && (row.flags & kWantScore) != 0 &&
         sequence.closed_by != RowKind::kCancel;
}

void Stage::DropRows(uint64_t id, uint32_t before_generation) {
  const Sequence& sequence = *Find(id);
  const auto drop = [&](Fifo<Row>* rows) {
    rows->RemoveIf([&](Row& row) {
      if (row.row.sequence != id || !HasState(row.row.kind) || row.row.generation >= before_generation ||
          Outlives(sequence, row.row)) {
        return false;
      }
      if (row.row.kind == RowKind::kFill) ++counters_.fills_dropped;
      FreeSlot(&row);
      return true;
    });
  };
  for (Segment& segment : segments_) drop(&segment.queue);
  drop(&outbox_);
  std::erase_if(head_queue_, [&](Leaving& leaving) {
    const FrameRow& row = leaving.row.row;
    if (row.sequence != id || row.generation >= before_generation || Scores(sequence, row)) return false;
    FreeSlot(&leaving.row);
    return true;
  });
}

void Stage::OnClose(const FrameRow& row) {
  Sequence* sequence = Find(row.sequence);
  if (sequence == nullptr || sequence->closing) return;
  if (row.position != 0 && row.position != sequence->spec->retain_tokens) {
    return Fail(DataLoss("sequence {} is to leave {} tokens behind, not {}", row.sequence,
                         sequence->spec->retain_tokens, row.position));
  }
  Close(sequence, row.kind, row.position);
}

// Stage 0: what is left behind is complete as soon as its rows have been made: they outlive a cancel.
void Stage::Finished(Sequence* sequence, Finish reason) {
  const SequenceSpec& spec = *sequence->spec;
  const int tokens = static_cast<int>(sequence->tokens.size()) - spec.prompt_tokens();
  const bool retained = spec.retain_tokens > 0 && sequence->prompt_issued >= spec.retain_tokens;
  actions_.push_back(SequenceFinishedOut{spec.sequence, sequence->generation, tokens, reason, retained});
  Close(sequence, reason == Finish::kCancelled ? RowKind::kCancel : RowKind::kClose,
        retained ? spec.retain_tokens : 0);
}

void Stage::Close(Sequence* sequence, RowKind kind, int retained) {
  const uint64_t id = sequence->spec->sequence;
  sequence->closing = true;
  sequence->closed_by = kind;
  sequence->retained = retained;
  sequence->kept = std::max(sequence->kept, retained);
  if (kind == RowKind::kClose && sequence->spec->score_from > 0) {
    sequence->kept = sequence->spec->prompt_tokens() - 1;  // only the last row's token ended it
  }
  DropRows(id, UINT32_MAX);
  if (sequence->prompt_issued >= sequence->kept) {
    prefill_.RemoveIf([id](uint64_t waiting) { return waiting == id; });
  }
  ready_.RemoveIf([id](uint64_t waiting) { return waiting == id; });
  LeaveMicroBatch(sequence);
  EndIfDone(sequence);
}

// Of a sequence that is over: the next stage hears of it behind the last row that outlives it.
void Stage::EndIfDone(Sequence* sequence) {
  if (sequence->watermark.back() < sequence->kept) return;
  if (!last() && !std::exchange(sequence->close_sent, true)) {
    outbox_.push_back({{.sequence = sequence->spec->sequence,
                        .generation = sequence->generation,
                        .position = sequence->retained,
                        .kind = sequence->closed_by},
                       -1,
                       now_,
                       nullptr});
  }
  const bool scores = sequence->scores_due > 0 && sequence->closed_by != RowKind::kCancel;
  if (sequence->rows_in_jobs == 0 && !scores) Release(sequence);
}

void Stage::Release(Sequence* sequence) {
  const uint64_t id = sequence->spec->sequence;
  if (sequence->retained > 0) {
    const auto begin = sequence->pages.begin();
    const auto end = begin + sequence->retained / kPageTokens;
    retained_.emplace(id, Retained{sequence->spec, {begin, end}, sequence->retained});
    sequence->pages.erase(begin, end);
  }
  pages_.Free(&sequence->pages);
  sequences_.erase(id);
  actions_.push_back(SequenceClosedOut{id});
}

void Stage::On(EvictPrefixes& event) {
  for (uint64_t id : event.sequences) Evict(id);
}

// Idempotent.
void Stage::Evict(uint64_t id) {
  if (Find(id) != nullptr) return Fail(Internal("sequence {} is evicted, and it is not closed here", id));
  const auto it = retained_.find(id);
  if (it == retained_.end()) return;
  pages_.Free(&it->second.pages);
  retained_.erase(it);
  if (!last()) outbox_.push_back({{.sequence = id, .kind = RowKind::kEvict}, -1, now_, nullptr});
}

}  // namespace exeunt
