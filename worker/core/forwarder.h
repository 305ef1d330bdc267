// The Forwarder sends a stage's rows and tokens. Rows go to the next stage in the order of their sequence, as
// soon as there is a credit for a frame. Fills wait until their sequence's next row goes, and travel before
// it, or until they are due. Tokens go to stage 0 at once. Pure. The stage owns it. Not thread-safe. It
// allocates nothing once its buffers have had their largest size.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "base/fifo.h"
#include "worker/core/queued_row.h"
#include "worker/core/sequence_table.h"
#include "worker/core/slot_pool.h"
#include "worker/core/stage_config.h"
#include "worker/core/stage_counters.h"
#include "worker/core/stage_io.h"

namespace exeunt::worker {

class Forwarder {
 public:
  // All arguments must outlive the forwarder.
  Forwarder(const StageConfig* config, SequenceTable* sequences, SlotPool* slots, StageCounters* counters);

  // The last stage has no next one. It pushes no state row, and its control rows are dropped.
  void Push(const QueuedRow& row) { outbox_.push_back(row); }
  // `open` is what a kOpen row carries. The sequence may be over before the row is sent.
  void Push(const ControlRow& row, std::shared_ptr<const SequenceSpec> open = nullptr);
  void Return(const ControlRow& token) { returns_.push_back(token); }
  // Makes the sequence's fills as urgent as a live row of it.
  void Flush(uint64_t sequence);
  // The next stage has taken a frame.
  void CreditBack();
  // On stage 0, the sequence's token is back, or nobody waits for it any longer.
  void LeaveMicroBatch(Sequence* sequence);
  // Appends frames with all rows that may go at this moment. `idle` says that the stage has no job to do.
  void Send(const FillPolicy& policy, TimePoint now, bool idle, std::vector<StageAction>* actions);
  // Takes back the memory of a frame that was sent.
  void Reclaim(SendFrame* send);

  bool idle() const { return outbox_.empty() && returns_.empty() && frames_in_flight_ == 0; }
  // Returns whether rows that are no fills wait for a credit.
  bool blocked() const { return blocked_; }
  int frames_in_flight() const { return frames_in_flight_; }
  int micro_batches() const { return static_cast<int>(micro_batches_.size()); }
  size_t rows() const { return outbox_.size(); }
  // Returns the number of rows that the next stage will run.
  int runnable_rows() const;
  WaitingFills fills() const;

  // Removes the state rows for which predicate(row, is_fill) is true.
  template <typename Predicate>
  void RemoveIf(Predicate predicate) {
    outbox_.RemoveIf([&](Outgoing& out) {
      auto* row = std::get_if<QueuedRow>(&out);
      return row != nullptr && predicate(*row, IsFill(*row));
    });
  }
  template <typename Visit>
  void VisitFills(Visit visit) const {
    for (const Outgoing& out : outbox_) {
      const auto* row = std::get_if<QueuedRow>(&out);
      if (row != nullptr && IsFill(*row)) visit(*row);
    }
  }

 private:
  struct OutgoingControl {
    ControlRow row;
    std::shared_ptr<const SequenceSpec> open;
    size_t open_tokens() const { return open ? open->prompt.size() : 0; }
  };
  using Outgoing = std::variant<QueuedRow, OutgoingControl>;
  struct MicroBatch {
    uint64_t frame = 0;  // number of the frame
    int rows = 0;        // live rows whose tokens are not back
  };

  static uint64_t SequenceOf(const Outgoing& out);
  bool IsFill(const QueuedRow& row) const { return row.row.plan.FillsIn(next_layers_); }
  bool IsFill(const Outgoing& out) const;
  WaitingFills CollectUrgent();
  void FillFrame(bool all, SendFrame* send);
  void SendRow(QueuedRow* row, SendFrame* send);
  SendFrame NewFrame(Link link);
  void SendReturns(std::vector<StageAction>* actions);

  const StageConfig* config_;
  LayerSpan next_layers_;
  SequenceTable* sequences_;
  SlotPool* slots_;
  StageCounters* counters_;
  Fifo<Outgoing> outbox_;
  std::vector<Row> returns_;
  std::vector<MicroBatch> micro_batches_;  // used on stage 0
  uint64_t next_frame_ = 1;
  int frames_in_flight_ = 0;
  bool blocked_ = false;
  std::vector<uint64_t> urgent_;  // sequences with a row in the outbox that is no fill, ascending
  // Spare objects that are kept for their memory.
  std::vector<std::vector<Row>> spare_rows_;
  std::vector<std::vector<int32_t>> spare_slots_;
};

}  // namespace exeunt::worker
