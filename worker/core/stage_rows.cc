// What happens to a row after a job. It goes on, goes to the head, or its token leaves.
#include "base/check.h"
#include "worker/core/stage.h"

namespace exeunt::worker {
namespace {

ExitQuery Query(const SequenceSpec& spec, const StateRow& row, int layer, float signal) {
  const int token_position = row.position + 1;
  return {&spec.exit,
          layer,
          token_position - spec.prompt_tokens(),
          signal,
          spec.sampling.seed,
          spec.sampling.choice,
          static_cast<uint32_t>(token_position)};
}

}  // namespace

// Returns the row's sequence if it is open, current and not closing, or if the row outlives it. Otherwise
// drops the row and returns nullptr.
Sequence* Stage::Current(const QueuedRow& row) {
  Sequence* sequence = sequences_.FromJob(row.row);
  if (sequence->IsCurrent(row.row) || sequence->Outlives(row.row)) return sequence;
  slots_.Drop(row.slot);
  if (sequence->closing) EndIfDone(sequence);
  return nullptr;
}

void Stage::SegmentDone(const Batch& batch, const SegmentResult& result) {
  const size_t index = batch.segment;
  const LayerSpan layers = batcher_.segment(index).layers;
  size_t run = 0;
  for (const QueuedRow& row : batch.rows) {  // ascending positions within each sequence
    const RowPlan& plan = row.row.plan;
    const size_t place = run;
    run += plan.RunsIn(layers) && !row.skipped ? 1 : 0;
    Sequence* sequence = Current(row);
    if (sequence == nullptr) continue;
    sequence->Advance(index, row.row.position);
    if (plan.Answers() && sequence->failed) {
      slots_.Drop(row.slot);
    } else if (plan.Answers()) {
      Decide(*sequence, row, index, result.signals.empty() ? 0.0F : result.signals[place],
             result.previews.empty() ? -1 : result.previews[place]);
    } else if (plan.WantsHead(layers.end) && sequence->Scores(row.row)) {
      ++sequence->scores_due;
      head_queue_.Push({row, index, layers.end});
    } else {
      Continue(row, index);
      if (sequence->closing) EndIfDone(sequence);
    }
  }
}

// After a segment a row of an answer goes on, or its token leaves. It leaves through the head, unless a
// preview of the head gave the token. If the measure needs the head, the decision follows after the head.
void Stage::Decide(const Sequence& sequence, const QueuedRow& row, size_t index, float signal,
                   int32_t preview) {
  const Segment& segment = batcher_.segment(index);
  const int layer = segment.layers.end;
  const ExitSetting& exit = sequence.spec->exit;
  uint8_t leaves = row.row.plan.WantsHead(layer) ? 1 : 0;
  bool decide = false;
  if (leaves == 0 && row.row.plan.MayExit() && segment.exit && MayExit(exit, layer)) {
    decide = Info(exit.measure).signal == SignalSource::kHead;
    const ExitQuery query = Query(*sequence.spec, row.row, layer, signal);
    if (!decide) policy_->Decide({&query, 1}, {&leaves, 1});
  }
  if (leaves == 0 && !decide) {
    Continue(row, index);
  } else if (preview >= 0 && sequence.spec->TakesPreviews()) {
    HeadRowResult previewed{.token = preview};
    Leave(sequence, row, index, &previewed, signal);
  } else {
    head_queue_.Push({row, index, layer, decide, signal});
  }
}

void Stage::HeadDone(const std::vector<HeadEntry>& entries, std::vector<HeadRowResult>* results) {
  for (size_t i = 0; i < entries.size(); ++i) {
    const HeadEntry& entry = entries[i];
    Sequence* sequence = Current(entry.row);
    if (sequence == nullptr) continue;
    HeadRowResult& result = (*results)[i];
    if (entry.row.row.plan.Scores()) {
      Score(sequence, entry.row, &result);
      continue;
    }
    if (sequence->failed) {
      slots_.Drop(entry.row.slot);
      continue;
    }
    uint8_t leaves = 1;
    if (entry.decide) {
      const ExitQuery query = Query(*sequence->spec, entry.row.row, entry.layer, result.softmax_margin);
      policy_->Decide({&query, 1}, {&leaves, 1});
    }
    if (leaves == 0) {
      Continue(entry.row, entry.segment);
      continue;
    }
    const bool by_head = Info(sequence->spec->exit.measure).signal == SignalSource::kHead;
    Leave(*sequence, entry.row, entry.segment, &result, by_head ? result.softmax_margin : entry.confidence);
  }
}

void Stage::Score(Sequence* sequence, QueuedRow row, HeadRowResult* result) {
  slots_.Free(&row.slot);
  --sequence->scores_due;
  if (sequence->Scores(row.row)) {
    actions_.push_back(PromptScoreOut{row.row.sequence, row.row.generation, row.row.position + 1,
                                      result->token, result->logprob, std::move(result->top)});
  }
  if (sequence->closing) EndIfDone(sequence);
}

void Stage::Leave(const Sequence& sequence, QueuedRow row, size_t segment, HeadRowResult* result,
                  float confidence) {
  const int layer = batcher_.segment(segment).layers.end;
  ++counters_.exits[layer];
  const ControlRow token{.kind = ControlKind::kToken,
                         .sequence = row.row.sequence,
                         .generation = row.row.generation,
                         .position = row.row.position + 1,
                         .token = result->token,
                         .exit_layer = static_cast<int16_t>(layer)};
  actions_.push_back(TokenOut{token.sequence, token.generation, token.position, token.token, layer,
                              confidence, result->logprob, std::move(result->top),
                              std::move(result->logits)});
  row.row.plan = RowPlan::Left(sequence.spec->exit.mode, layer, config_.limits.n_layers);
  row.since = now_;
  Continue(row, segment);
  if (config_.first()) {
    OnToken(token);
  } else {
    forwarder_.Return(token);
  }
}

// A row is done when it has run everything in its plan.
void Stage::Continue(QueuedRow row, size_t segment) {
  if (row.row.plan.EndsAt(batcher_.segment(segment).layers.end)) {
    slots_.Free(&row.slot);
  } else if (segment + 1 < batcher_.segments()) {
    batcher_.Push(segment + 1, row);
  } else {
    forwarder_.Push(row);
  }
}

}  // namespace exeunt::worker
