// What a stage does with what arrives: frames, completions, admissions.
#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/spare.h"
#include "worker/stage.h"

namespace exeunt {

Stage::Sequence* Stage::Find(uint64_t sequence) {
  const auto it = sequences_.find(sequence);
  return it == sequences_.end() ? nullptr : it->second.get();
}

int32_t Stage::TakeSlot() {
  if (free_slots_.empty()) {
    constexpr int kGrowth = 256;
    for (int s = slot_count_ + kGrowth - 1; s >= slot_count_; --s) free_slots_.push_back(s);
    slot_count_ += kGrowth;
    actions_.push_back(GrowSlots{slot_count_});
  }
  const int32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void Stage::FreeSlot(Row* row) {
  if (row->slot >= 0) free_slots_.push_back(row->slot);
  row->slot = -1;
}

// Takes the pages of the prefix that the sequence shares with another. Stage 0 decides whether it does: the
// other may be over by now. What it forwards says so, and in the FIFO behind it the other is still open.
Status Stage::SharePrefix(SequenceSpec* spec, std::vector<int32_t>* pages) {
  if (spec->prefix_of == 0) return OkStatus();
  Sequence* source = Find(spec->prefix_of);
  if (source == nullptr || source->closing) {
    if (!first()) {
      return DataLoss("sequence {} shares a prefix with {}, which is not open", spec->sequence,
                      spec->prefix_of);
    }
    spec->prefix_of = 0;
    spec->prefix_tokens = 0;
    return OkStatus();
  }
  const int n = spec->prefix_tokens;
  const std::vector<int32_t>& prompt = source->spec->prompt;
  // The last row of a prompt may leave early: its K/V need not be the full model's.
  if (n >= source->spec->prompt_tokens() ||
      !std::equal(prompt.begin(), prompt.begin() + n, spec->prompt.begin())) {
    return DataLoss("sequence {} shares {} tokens with {}, whose prompt of {} does not begin with them",
                    spec->sequence, n, spec->prefix_of, prompt.size());
  }
  source->kept = std::max(source->kept, n);
  pages_.Share(std::span(source->pages).first(static_cast<size_t>(n / cpu::kPageTokens)), pages);
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
  const int needed = (spec.positions() - spec.prefix_tokens + cpu::kPageTokens - 1) / cpu::kPageTokens;
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
  sequence->candidates.prompt = &sequence->spec->prompt;
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

void Stage::On(FlushForwarding& event) {
  flush_all_ |= event.sequences.empty();
  for (uint64_t id : event.sequences) {
    // One sequence's fills are as urgent as a live row of it would be.
    for (Row& row : outbox_) {
      if (row.row.sequence == id) row.since = TimePoint{};
    }
  }
}

void Stage::On(FrameTaken&) {
  CHECK_GT(frames_in_flight_, 0);
  --frames_in_flight_;
}

void Stage::On(FrameArrived& event) {
  if (event.frame.epoch != config_.epoch) {
    ++counters_.stale_frames;
    return;
  }
  ++counters_.frames_received;
  LoadStates load{event.payload, TakeSpare(&spare_slots_)};
  size_t opens = 0;
  for (const FrameRow& row : event.frame.rows) {
    if (HasState(row.kind)) {
      OnStateRow(row, &load.slots);
      continue;
    }
    switch (row.kind) {
      case RowKind::kOpen:
        if (!Open(std::move(event.frame.opens[opens++]))) return;
        break;
      case RowKind::kToken:
        OnToken(row);
        break;
      case RowKind::kRollback:
        OnRollback(row);
        break;
      default:
        if (Sequence* s = Find(row.sequence); s != nullptr && !s->closing) Close(s, row.kind);
    }
  }
  if (load.slots.empty()) {
    spare_slots_.push_back(std::move(load.slots));
  } else {
    actions_.push_back(std::move(load));
  }
}

void Stage::OnStateRow(const FrameRow& row, std::vector<int32_t>* load) {
  Sequence* sequence = Find(row.sequence);
  if (sequence == nullptr || sequence->closing || row.generation < sequence->generation) {
    ++counters_.stale_frames;
    load->push_back(-1);
    return;
  }
  const auto at = static_cast<size_t>(row.position);
  if (at >= static_cast<size_t>(sequence->spec->positions()) || at > sequence->tokens.size()) {
    Fail(DataLoss("sequence {}: row at position {} after {} tokens of {} at most", row.sequence, row.position,
                  sequence->tokens.size(), sequence->spec->positions()));
    load->push_back(-1);
    return;
  }
  if (at == sequence->tokens.size()) sequence->tokens.push_back(row.token);
  Row arrived{row, TakeSlot(), now_, nullptr};
  load->push_back(arrived.slot);
  segments_.front().queue.push_back(arrived);
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

void Stage::Finished(Sequence* sequence, Finish reason) {
  const int tokens = static_cast<int>(sequence->tokens.size()) - sequence->spec->prompt_tokens();
  actions_.push_back(SequenceFinishedOut{sequence->spec->sequence, sequence->generation, tokens, reason});
  Close(sequence, reason == Finish::kCancelled ? RowKind::kCancel : RowKind::kClose);
}

void Stage::Close(Sequence* sequence, RowKind kind) {
  const uint64_t id = sequence->spec->sequence;
  sequence->closing = true;
  sequence->closed_by = kind;
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
  pages_.Free(&sequence->pages);
  sequences_.erase(id);
  actions_.push_back(SequenceClosedOut{id});
}

void Stage::LeaveMicroBatch(Sequence* sequence) {
  const uint64_t frame = std::exchange(sequence->micro_batch, 0);
  std::erase_if(micro_batches_,
                [frame](MicroBatch& batch) { return batch.frame == frame && --batch.rows == 0; });
}

void Stage::OnToken(const FrameRow& row) {
  Sequence* sequence = Find(row.sequence);
  if (sequence == nullptr || sequence->closing || row.generation != sequence->generation ||
      static_cast<size_t>(row.position) != sequence->tokens.size()) {
    ++counters_.stale_frames;
    return;
  }
  sequence->tokens.push_back(row.token);
  LearnStagesUsed(row.exit_layer);
  LeaveMicroBatch(sequence);
  if (sequence->spec->IsEnd(row.token)) return Finished(sequence, Finish::kStop);
  if (row.position + 1 == sequence->spec->positions()) return Finished(sequence, Finish::kLength);
  ready_.push_back(row.sequence);
}

void Stage::LearnStagesUsed(int exit_layer) {
  constexpr double kWeight = 1.0 / 64;  // of one token
  const auto last_used = std::find_if(config_.split.begin(), config_.split.end(),
                                      [&](LayerSpan span) { return span.end >= exit_layer; });
  const auto used = static_cast<double>(last_used - config_.split.begin() + 1);
  stages_used_ += kWeight * (used - stages_used_);
}

Stage::Sequence* Stage::Current(const Row& row) {
  Sequence* sequence = Find(row.row.sequence);
  CHECK(sequence != nullptr);  // a sequence outlives its rows in jobs
  --sequence->rows_in_jobs;
  const bool current = !sequence->closing && row.row.generation == sequence->generation;
  if (current || Outlives(*sequence, row.row)) return sequence;
  Row dropped = row;
  FreeSlot(&dropped);
  if (sequence->closing) EndIfDone(sequence);
  return nullptr;
}

ExitQuery Stage::Query(const Sequence& sequence, const Row& row, int layer, float signal) const {
  const SequenceSpec& spec = *sequence.spec;
  const int token_position = row.row.position + 1;
  return {&spec.exit,
          layer,
          token_position - spec.prompt_tokens(),
          signal,
          spec.sampling.seed,
          spec.sampling.choice,
          static_cast<uint32_t>(token_position)};
}

void Stage::On(JobDone& event) {
  CHECK(running());
  CHECK_EQ(in_flight_.id, event.job.id);
  in_flight_.id = 0;
  const double seconds = Seconds(now_ - in_flight_.begin);
  if (auto* head = std::get_if<HeadJob>(&event.job.work)) {
    head_cost_.Observe(static_cast<int>(in_flight_.leaving.size()), seconds);
    HeadDone(&head->results);
    in_flight_.leaving.clear();
    spare_head_job_ = std::move(*head);
  } else {
    auto& work = std::get<SegmentJob>(event.job.work);
    if (first() && work.fill.empty()) {
      layer_cost_.Observe(static_cast<int>(in_flight_.rows.size()),
                          seconds / (work.layer_end - work.layer_begin));
    }
    SegmentDone(work.result);
    in_flight_.rows.clear();
    spare_segment_job_ = std::move(work);
  }
}

void Stage::SegmentDone(const SegmentResult& result) {
  const size_t segment = in_flight_.segment;
  size_t run = 0;
  for (const Row& row : in_flight_.rows) {  // in the order of the queue: by position within each sequence
    const bool is_fill = row.row.kind == RowKind::kFill;
    const size_t place = run;
    run += is_fill ? 0 : 1;
    Sequence* sequence = Current(row);
    if (sequence == nullptr) continue;
    int& mark = sequence->watermark[segment];
    CHECK_EQ(mark, row.row.position);  // no row runs above a gap
    mark = row.row.position + 1;
    if (row.row.kind != RowKind::kLive) {
      if (segments_[segment].end == config_.limits.n_layers && Scores(*sequence, row.row)) {
        ++sequence->scores_due;
        head_queue_.push_back({row, segment});
        continue;
      }
      Continue(row, segment + 1);
      if (sequence->closing) EndIfDone(sequence);
      continue;
    }
    Decide(*sequence, row, segment, result.signals.empty() ? 0.0F : result.signals[place],
           result.previews.empty() ? -1 : result.previews[place]);
  }
}

// A live row after a segment goes on, or leaves: by way of the head, unless a preview of it gave the token.
// Where the measure asks for the head, that decides later.
void Stage::Decide(const Sequence& sequence, const Row& row, size_t index, float signal, int32_t preview) {
  const Segment& segment = segments_[index];
  const ExitSetting& exit = sequence.spec->exit;
  uint8_t leaves = segment.end == config_.limits.n_layers ? 1 : 0;
  bool decide = false;
  if (leaves == 0 && segment.exit && MayExit(exit, segment.end)) {
    decide = exit.measure == ExitMeasure::kSoftmax;
    const ExitQuery query = Query(sequence, row, segment.end, signal);
    if (!decide) policy_->Decide({&query, 1}, {&leaves, 1});
  }
  if (leaves == 0 && !decide) {
    Continue(row, index + 1);
  } else if (preview >= 0 && sequence.spec->TakesPreviews()) {
    HeadRowResult previewed{.token = preview};
    Leave(row, index, &previewed, signal);
  } else {
    head_queue_.push_back({row, index, decide, signal});
  }
}

void Stage::HeadDone(std::vector<HeadRowResult>* results) {
  for (size_t i = 0; i < in_flight_.leaving.size(); ++i) {
    const Leaving& leaving = in_flight_.leaving[i];
    Sequence* sequence = Current(leaving.row);
    if (sequence == nullptr) continue;
    HeadRowResult& row = (*results)[i];
    if (leaving.row.row.kind == RowKind::kPrompt) {
      Score(sequence, leaving.row, row);
      continue;
    }
    uint8_t leaves = 1;
    if (leaving.decide) {
      const ExitQuery query =
          Query(*sequence, leaving.row, segments_[leaving.segment].end, row.softmax_margin);
      policy_->Decide({&query, 1}, {&leaves, 1});
    }
    if (leaves == 0) {
      Continue(leaving.row, leaving.segment + 1);
      continue;
    }
    const bool softmax = sequence->spec->exit.measure == ExitMeasure::kSoftmax;
    Leave(leaving.row, leaving.segment, &row, softmax ? row.softmax_margin : leaving.confidence);
  }
}

void Stage::Score(Sequence* sequence, Row row, const HeadRowResult& result) {
  FreeSlot(&row);
  --sequence->scores_due;
  if (Scores(*sequence, row.row)) {
    actions_.push_back(PromptScoreOut{row.row.sequence, row.row.generation, row.row.position + 1,
                                      result.token, result.logprob});
  }
  if (sequence->closing) EndIfDone(sequence);
}

void Stage::Leave(Row row, size_t segment, HeadRowResult* result, float confidence) {
  const int layer = segments_[segment].end;
  ++counters_.exits[layer];
  const FrameRow token{.sequence = row.row.sequence,
                       .generation = row.row.generation,
                       .position = row.row.position + 1,
                       .token = result->token,
                       .exit_layer = static_cast<int16_t>(layer),
                       .kind = RowKind::kToken};
  actions_.push_back(TokenOut{token.sequence, token.generation, token.position, token.token, layer,
                              confidence, result->logprob, std::move(result->top),
                              std::move(result->logits)});
  if (layer == config_.limits.n_layers) {
    FreeSlot(&row);
  } else {
    row.row.kind = RowKind::kFill;
    row.row.exit_layer = static_cast<int16_t>(layer);
    row.since = now_;
    Continue(row, segment + 1);
  }
  if (first()) {
    OnToken(token);
  } else {
    returns_.push_back(token);
  }
}

void Stage::Continue(Row row, size_t next_segment) {
  if (next_segment < segments_.size()) {
    segments_[next_segment].queue.push_back(row);
  } else if (last()) {
    FreeSlot(&row);  // a prompt row or a fill that has been through everything
  } else {
    outbox_.push_back(row);
  }
}

}  // namespace exeunt
