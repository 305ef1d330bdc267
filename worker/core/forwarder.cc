#include "worker/core/forwarder.h"

#include <algorithm>

#include "base/check.h"
#include "base/spare.h"

namespace exeunt::worker {

Forwarder::Forwarder(const StageConfig* config, SequenceTable* sequences, SlotPool* slots,
                     StageCounters* counters)
    : config_(config),
      next_layers_(config->next_layers()),
      sequences_(sequences),
      slots_(slots),
      counters_(counters) {}

void Forwarder::Push(const ControlRow& row, std::shared_ptr<const SequenceSpec> open) {
  if (config_->last()) return;
  outbox_.push_back(OutgoingControl{row, std::move(open)});
}

void Forwarder::Flush(uint64_t sequence) {
  for (Outgoing& out : outbox_) {
    auto* row = std::get_if<QueuedRow>(&out);
    if (row != nullptr && row->row.sequence == sequence) row->since = TimePoint{};
  }
}

void Forwarder::CreditBack() {
  CHECK_GT(frames_in_flight_, 0);
  --frames_in_flight_;
}

void Forwarder::LeaveMicroBatch(Sequence* sequence) {
  const uint64_t frame = std::exchange(sequence->micro_batch, 0);
  std::erase_if(micro_batches_,
                [frame](MicroBatch& batch) { return batch.frame == frame && --batch.rows == 0; });
}

void Forwarder::Reclaim(SendFrame* send) {
  send->frame.rows.clear();
  send->slots.clear();
  spare_rows_.push_back(std::move(send->frame.rows));
  spare_slots_.push_back(std::move(send->slots));
}

int Forwarder::runnable_rows() const {
  return static_cast<int>(std::count_if(outbox_.begin(), outbox_.end(), [this](const Outgoing& out) {
    const auto* row = std::get_if<QueuedRow>(&out);
    return row != nullptr && row->row.plan.RunsIn(next_layers_);
  }));
}

WaitingFills Forwarder::fills() const {
  WaitingFills fills;
  VisitFills([&](const QueuedRow& row) { fills.Add(row.since); });
  return fills;
}

uint64_t Forwarder::SequenceOf(const Outgoing& out) {
  const auto* row = std::get_if<QueuedRow>(&out);
  return row != nullptr ? row->row.sequence : std::get<OutgoingControl>(out).row.sequence;
}

bool Forwarder::IsFill(const Outgoing& out) const {
  const auto* row = std::get_if<QueuedRow>(&out);
  return row != nullptr && IsFill(*row);
}

// Finds the sequences with a row in the outbox that is no fill. Returns the waiting fills.
WaitingFills Forwarder::CollectUrgent() {
  WaitingFills fills;
  urgent_.clear();
  for (const Outgoing& out : outbox_) {
    if (IsFill(out)) {
      fills.Add(std::get<QueuedRow>(out).since);
    } else {
      urgent_.push_back(SequenceOf(out));
    }
  }
  std::sort(urgent_.begin(), urgent_.end());
  return fills;
}

void Forwarder::Send(const FillPolicy& policy, TimePoint now, bool idle, std::vector<StageAction>* actions) {
  SendReturns(actions);
  const bool link_idle = frames_in_flight_ == 0 && idle;
  while (!outbox_.empty() && frames_in_flight_ < config_->send_credits) {
    const WaitingFills fills = CollectUrgent();
    const bool all = policy.Due(fills, link_idle && urgent_.empty(), now);
    if (urgent_.empty() && !all) break;
    SendFrame send = NewFrame(Link::kNext);
    FillFrame(all, &send);
    ++frames_in_flight_;
    ++counters_->frames_sent;
    counters_->micro_batches_max = std::max(counters_->micro_batches_max, micro_batches());
    actions->push_back(std::move(send));
  }
  blocked_ =
      frames_in_flight_ >= config_->send_credits &&
      std::any_of(outbox_.begin(), outbox_.end(), [this](const Outgoing& out) { return !IsFill(out); });
}

// Moves rows to the frame until it is full. These are all rows or those of the urgent sequences.
void Forwarder::FillFrame(bool all, SendFrame* send) {
  size_t open_tokens = 0;
  bool full = false;
  outbox_.RemoveIf([&](Outgoing& out) {
    if (full || (!all && !std::binary_search(urgent_.begin(), urgent_.end(), SequenceOf(out)))) return false;
    auto* control = std::get_if<OutgoingControl>(&out);
    const size_t opens = control != nullptr ? control->open_tokens() : 0;
    full = send->frame.rows.size() >= static_cast<size_t>(config_->max_batch_rows) ||
           (open_tokens > 0 && open_tokens + opens > kMaxFrameOpenTokens);
    if (full) return false;
    open_tokens += opens;
    if (control == nullptr) {
      SendRow(&std::get<QueuedRow>(out), send);
    } else {
      send->frame.rows.push_back(control->row);
      if (control->open) send->frame.opens.push_back(*control->open);
    }
    return true;
  });
}

void Forwarder::SendRow(QueuedRow* row, SendFrame* send) {
  send->frame.rows.push_back(row->row);
  if (IsFill(*row)) ++counters_->fills_sent;
  send->slots.push_back(row->slot);
  slots_->Free(&row->slot);
  if (config_->first() && row->row.plan.Answers()) {
    const uint64_t frame = send->frame.number;
    if (micro_batches_.empty() || micro_batches_.back().frame != frame) micro_batches_.push_back({frame, 0});
    ++micro_batches_.back().rows;
    sequences_->Find(row->row.sequence)->micro_batch = frame;
  }
}

SendFrame Forwarder::NewFrame(Link link) {
  SendFrame send{
      link, {config_->epoch, next_frame_++, TakeSpare(&spare_rows_), {}}, TakeSpare(&spare_slots_)};
  send.frame.rows.reserve(static_cast<size_t>(config_->max_batch_rows));
  send.slots.reserve(static_cast<size_t>(config_->max_batch_rows));
  return send;
}

void Forwarder::SendReturns(std::vector<StageAction>* actions) {
  if (returns_.empty()) return;
  SendFrame send = NewFrame(Link::kFirst);
  std::swap(send.frame.rows, returns_);
  ++counters_->returns_sent;
  actions->push_back(std::move(send));
}

}  // namespace exeunt::worker
