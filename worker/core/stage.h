// Stage is the core of a pipeline stage, as a pure state machine. Step takes events (frames, completions,
// admissions) and the time, and returns actions (frames, jobs, messages). It computes nothing and owns no
// thread, socket or clock. The same class runs under mpirun, in one process over loopback, and under a
// simulator. The stage connects its parts: the sequence table, the batcher, the head queue, the forwarder
// and, on stage 0, the row maker.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/fifo.h"
#include "model/exit_policy.h"
#include "worker/core/batcher.h"
#include "worker/core/forwarder.h"
#include "worker/core/head_queue.h"
#include "worker/core/row_maker.h"
#include "worker/core/sequence_table.h"
#include "worker/core/slot_pool.h"
#include "worker/core/stage_config.h"
#include "worker/core/stage_counters.h"
#include "worker/core/stage_io.h"

namespace exeunt::worker {

class Stage {
 public:
  // `policy` must outlive the stage.
  explicit Stage(const StageConfig& config, const ExitPolicy* policy);
  Stage(const Stage&) = delete;  // its parts point to each other
  Stage& operator=(const Stage&) = delete;

  // Applies the events in order, then schedules. The driver must carry the actions out in order. It then
  // passes `actions` to the next step, so that their memory is reused. Jobs come back for their memory in
  // JobDone. A stage in steady state allocates nothing.
  void Step(TimePoint now, std::span<StageEvent> events, std::vector<StageAction>* actions);

  // Returns false while enough rows wait here. The driver then takes no frames.
  bool AcceptsFrames() const;
  // Returns whether nothing is open, queued or in flight. The driver may then block until its doorbell rings.
  bool Idle() const { return sequences_.empty() && forwarder_.idle() && in_flight_.empty(); }
  // Returns when a Step is due even without events, because fills may wait no longer.
  std::optional<TimePoint> NextWake() const;
  // Returns whether rows wait for a credit of the next stage.
  bool Blocked() const { return forwarder_.blocked(); }

  const StageCounters& counters() const { return counters_; }
  std::vector<SequenceProgress> Progress() const;
  int pages_used() const { return sequences_.pages().used(); }
  int pages_total() const { return sequences_.pages().total(); }
  int open_sequences() const { return static_cast<int>(sequences_.size()); }
  // Returns the number of sequences that were opened since the start. The doorbell has the same number.
  uint64_t opened() const { return sequences_.opened(); }
  int backlog_rows() const;
  int slots_used() const { return slots_.used(); }
  int micro_batches() const { return forwarder_.micro_batches(); }
  int frames_in_flight() const { return forwarder_.frames_in_flight(); }

 private:
  struct InFlight {
    uint64_t id = 0;
    Batch batch;                   // batch of a segment job
    std::vector<HeadEntry> heads;  // entries of a head job
  };

  // stage.cc: frames, completions and the schedule.
  void On(FrameArrived& event);
  void On(FrameTaken& event);
  void On(JobDone& event);
  void On(FlushForwarding& event);
  void OnStateRow(const StateRow& row, std::vector<int32_t>* load);
  bool OnControlRow(const ControlRow& row, Frame* frame, size_t* opens);
  void Reclaim(std::vector<StageAction>* actions);
  void OnFailedJob(const InFlight& job, const Error& error);
  // Returns false if there is nothing to run.
  bool Schedule();
  InFlight* NewJob();
  void SubmitBatch(size_t segment);
  void SubmitHead();
  template <typename Work>
  void Submit(const InFlight& job, Work work);
  // Calls visit(row) for each fill that waits here or is in a job.
  template <typename Visit>
  void VisitFills(Visit visit) const;

  // stage_rows.cc: what happens to a row after a job.
  void SegmentDone(const Batch& batch, const SegmentResult& result);
  void HeadDone(const std::vector<HeadEntry>& entries, std::vector<HeadRowResult>* results);
  void Decide(const Sequence& sequence, const QueuedRow& row, size_t segment, float signal, int32_t preview);
  void Score(Sequence* sequence, QueuedRow row, HeadRowResult* result);
  void Leave(const Sequence& sequence, QueuedRow row, size_t segment, HeadRowResult* result,
             float confidence);
  void Continue(QueuedRow row, size_t segment);
  Sequence* Current(const QueuedRow& row);

  // stage_sequences.cc: the states of sequences.
  void On(AdmitSequences& event);
  void On(CancelSequences& event);
  void On(EvictPrefixes& event);
  bool Open(SequenceSpec spec);
  void OnToken(const ControlRow& row);
  void OnClose(const ControlRow& row);
  void OnRollback(const ControlRow& row);
  void Finished(Sequence* sequence, EndReason reason);
  void Close(Sequence* sequence, ControlKind kind, int retained);
  void EndIfDone(Sequence* sequence);
  void Evict(uint64_t sequence);
  void FailSequence(Sequence* sequence, const std::string& reason);
  void DropRows(const Sequence& sequence, uint32_t before_generation);

  void Fail(Error error) { actions_.push_back(StageFailed{std::move(error)}); }

  StageConfig config_;
  const ExitPolicy* policy_;
  StageCounters counters_;
  std::vector<StageAction> actions_;  // actions of the current step
  Batcher batcher_;
  SequenceTable sequences_;
  SlotPool slots_;
  HeadQueue head_queue_;
  Forwarder forwarder_;
  RowMaker row_maker_;  // used on stage 0
  FillPolicy fills_;
  Fifo<InFlight> in_flight_;  // in the order of submission
  uint64_t next_job_ = 1;
  TimePoint now_;
  // Spare objects that are kept for their memory.
  std::vector<std::vector<int32_t>> spare_loads_;
  // Spare objects for as many jobs as may be in flight.
  std::vector<SegmentJob> spare_segment_jobs_;
  std::vector<HeadJob> spare_head_jobs_;
  std::vector<InFlight> spare_in_flight_;
};

}  // namespace exeunt::worker
