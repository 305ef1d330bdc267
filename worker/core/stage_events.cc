// What a stage does with what arrives: frames, completions, admissions.
#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/spare.h"
#include "worker/core/stage.h"

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
      case RowKind::kEvict:
        Evict(row.sequence);
        break;
      default:
        OnClose(row);
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

// What comes before the token that is drawn after a row. Its own token is there, and `tokens` never moves.
TokenHistory Stage::History(const Sequence& sequence, const FrameRow& row) {
  const SequenceSpec& spec = *sequence.spec;
  if (row.kind != RowKind::kLive || !spec.sampling.AdjustsLogits()) return {};
  const auto before = std::span(sequence.tokens).first(static_cast<size_t>(row.position) + 1);
  return {before.first(spec.prompt.size()), before.subspan(spec.prompt.size()), spec.end_tokens};
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
      Score(sequence, leaving.row, &row);
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

void Stage::Score(Sequence* sequence, Row row, HeadRowResult* result) {
  FreeSlot(&row);
  --sequence->scores_due;
  if (Scores(*sequence, row.row)) {
    actions_.push_back(PromptScoreOut{row.row.sequence, row.row.generation, row.row.position + 1,
                                      result->token, result->logprob, std::move(result->top)});
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
