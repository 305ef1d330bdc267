// The states of sequences on a stage. Sequences are opened, get their tokens, are rolled back and are closed.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "worker/core/stage.h"

namespace exeunt::worker {

bool Stage::Open(SequenceSpec spec) {
  Result<Sequence*> opened = sequences_.Open(std::move(spec));
  if (!opened) {
    Fail(std::move(opened).error());
    return false;
  }
  const Sequence& sequence = **opened;
  forwarder_.Push({.kind = ControlKind::kOpen, .sequence = sequence.id()}, sequence.spec);
  if (sequence.failed) {
    actions_.push_back(SequenceFailedOut{
        sequence.id(),
        fmt::format("it shares K/V with sequence {}, which failed", sequence.spec->prefix_of)});
  }
  if (config_.first()) row_maker_.AddPrompt(sequence.id());
  return true;
}

void Stage::On(AdmitSequences& event) {
  for (SequenceSpec& spec : event.specs) {
    if (!Open(std::move(spec))) return;
  }
}

void Stage::On(CancelSequences& event) {
  for (uint64_t id : event.sequences) {
    Sequence* sequence = sequences_.Find(id);
    if (sequence != nullptr && !sequence->closing) Finished(sequence, EndReason::kCancelled);
  }
}

void Stage::OnToken(const ControlRow& row) {
  Sequence* sequence = sequences_.Find(row.sequence);
  if (sequence == nullptr || sequence->closing || row.generation != sequence->generation ||
      static_cast<size_t>(row.position) != sequence->tokens.size()) {
    ++counters_.stale_frames;
    return;
  }
  sequence->tokens.push_back(row.token);
  row_maker_.LearnExit(row.exit_layer);
  forwarder_.LeaveMicroBatch(sequence);
  if (sequence->spec->IsEnd(row.token)) return Finished(sequence, EndReason::kStop);
  if (row.position + 1 == sequence->spec->positions()) return Finished(sequence, EndReason::kLength);
  row_maker_.AddReady(row.sequence);
}

void Stage::OnRollback(const ControlRow& row) {
  Sequence* sequence = sequences_.Find(row.sequence);
  if (sequence == nullptr || sequence->closing || row.generation <= sequence->generation) {
    ++counters_.stale_frames;
    return;
  }
  if (row.token >= 0) {
    return Fail(
        Unimplemented("sequence {}: a rollback with a corrected token is not built yet", row.sequence));
  }
  DropRows(*sequence, row.generation);
  sequence->Rollback(row.generation, row.position);
  forwarder_.Push(row);
}

void Stage::DropRows(const Sequence& sequence, uint32_t before_generation) {
  const auto is_dropped = [&](const StateRow& row) {
    return row.sequence == sequence.id() && row.generation < before_generation;
  };
  const auto drop = [&](QueuedRow& row, bool is_fill) {
    if (!is_dropped(row.row) || sequence.Outlives(row.row)) return false;
    counters_.fills_dropped += is_fill ? 1 : 0;
    slots_.Free(&row.slot);
    return true;
  };
  batcher_.RemoveIf(drop);
  forwarder_.RemoveIf(drop);
  head_queue_.RemoveIf([&](QueuedRow& row) {
    if (!is_dropped(row.row) || sequence.Scores(row.row)) return false;
    slots_.Free(&row.slot);
    return true;
  });
}

void Stage::OnClose(const ControlRow& row) {
  Sequence* sequence = sequences_.Find(row.sequence);
  if (sequence == nullptr || sequence->closing) return;
  if (row.position != 0 && row.position != sequence->spec->retain_tokens) {
    return Fail(DataLoss("sequence {} is to leave {} tokens behind, not {}", row.sequence,
                         sequence->spec->retain_tokens, row.position));
  }
  Close(sequence, row.kind, row.position);
}

// On stage 0 the retained prefix is complete as soon as its rows have been made, because they outlive a
// cancel.
void Stage::Finished(Sequence* sequence, EndReason reason) {
  const SequenceSpec& spec = *sequence->spec;
  const int tokens = static_cast<int>(sequence->tokens.size()) - spec.prompt_tokens();
  const bool retained = spec.retain_tokens > 0 && sequence->prompt_issued >= spec.retain_tokens;
  actions_.push_back(SequenceFinishedOut{spec.sequence, sequence->generation, tokens, reason, retained});
  Close(sequence, reason == EndReason::kCancelled ? ControlKind::kCancel : ControlKind::kClose,
        retained ? spec.retain_tokens : 0);
}

void Stage::Close(Sequence* sequence, ControlKind kind, int retained) {
  sequence->Close(kind, retained);
  DropRows(*sequence, UINT32_MAX);
  row_maker_.Closed(*sequence);
  forwarder_.LeaveMicroBatch(sequence);
  EndIfDone(sequence);
}

// For a sequence that is over, tells the next stage behind the last row that outlives it.
void Stage::EndIfDone(Sequence* sequence) {
  if (!sequence->RowsHaveRun()) return;
  if (!std::exchange(sequence->close_sent, true)) {
    forwarder_.Push({.kind = sequence->closed_by,
                     .sequence = sequence->id(),
                     .generation = sequence->generation,
                     .position = sequence->retained});
  }
  if (!sequence->IsUnused()) return;
  const uint64_t id = sequence->id();
  if (Info(sequence->spec->exit.measure).per_prompt) actions_.push_back(ForgetSequence{id});
  sequences_.Release(*sequence);
  actions_.push_back(SequenceClosedOut{id});
}

void Stage::FailSequence(Sequence* sequence, const std::string& reason) {
  sequences_.Fail(sequence, [&](const Sequence& failed) {
    actions_.push_back(SequenceFailedOut{failed.id(), reason});
  });
}

void Stage::On(EvictPrefixes& event) {
  for (uint64_t id : event.sequences) Evict(id);
}

// Idempotent.
void Stage::Evict(uint64_t id) {
  Result<bool> evicted = sequences_.Evict(id);
  if (!evicted) return Fail(std::move(evicted).error());
  if (*evicted) forwarder_.Push({.kind = ControlKind::kEvict, .sequence = id});
}

}  // namespace exeunt::worker
