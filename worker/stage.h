// Stage: the core of a pipeline stage, as a pure state machine. Step takes events (frames, completions,
// admissions) and the time, and returns actions (frames, jobs, messages). It computes nothing and owns no
// thread, socket or clock: the same class runs under mpirun, in one process over loopback, and under a
// simulator.
//
// A stage's layers are cut into segments by its exit points. Rows wait in one queue per segment, in the order
// of their sequence; a batch is any prefix of a queue, so rows of many sequences are regrouped at every
// segment, never reordered within one. The watermark of a (sequence, segment) is the position below which K/V
// is there.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/fifo.h"
#include "model/candidate_head.h"
#include "model/exit_policy.h"
#include "model/kv_cache.h"
#include "model/layer_plan.h"
#include "request/end_reason.h"
#include "transport/report_buckets.h"
#include "worker/executor.h"
#include "worker/frame.h"
#include "worker/learnt_cost.h"
#include "worker/sequence_spec.h"

namespace exeunt {

struct StageConfig {
  int rank = 0;
  std::vector<LayerSpan> split;  // the layers of every stage
  uint64_t epoch = 0;
  SequenceLimits limits;
  std::vector<int> exit_layers;  // of the whole pipeline: exits are possible after so many layers
  int kv_pages = 0;
  int least_prefill_chunk_tokens = 16;  // between these two, the least that makes a row cheap
  int prefill_chunk_tokens = 256;
  bool prefill_first = false;  // no decode row while a prompt waits: to measure decoding alone
  int max_batch_rows = 512;
  int passes = 3;  // steps in turn that rows wait for a shallower segment with more of them, at most
  int head_batch_rows = 16;  // fewer rows wait for those of deeper segments, where that makes a row cheaper
  int send_credits = 4;      // frames to the next stage that it has not taken yet
  int fill_batch_rows = 32;  // fills are computed or forwarded when so many wait,
  Duration fill_delay = std::chrono::milliseconds(2);  // or the oldest has waited so long on an idle stage
  bool eager_forwarding = false;                       // fills never wait: for tests of invariant 4

  int ranks() const { return static_cast<int>(split.size()); }
  LayerSpan layers() const { return split.at(static_cast<size_t>(rank)); }
};

// ---- events
struct FrameArrived {
  Frame frame;
  size_t payload = 0;  // the driver's name for the frame's states
};
struct FrameTaken {};  // the next stage took one frame: a credit is back
struct AdmitSequences {
  std::vector<SequenceSpec> specs;
};
struct CancelSequences {
  std::vector<uint64_t> sequences;
};
struct EvictPrefixes {  // of sequences that are closed on every stage
  std::vector<uint64_t> sequences;
};
struct FlushForwarding {
  std::vector<uint64_t> sequences;  // empty: all
};
using StageEvent = std::variant<FrameArrived, FrameTaken, JobDone, AdmitSequences, CancelSequences,
                                EvictPrefixes, FlushForwarding>;

// ---- actions, to be carried out in order
enum class Link { kNext, kFirst };
struct SendFrame {
  Link link = Link::kNext;
  Frame frame;
  std::vector<int32_t> slots;  // states of the frame's rows, free once gathered
};
struct LoadStates {  // payload's row i goes to slots[i]; -1: not wanted
  size_t payload = 0;
  std::vector<int32_t> slots;
};
struct GrowSlots {
  int count = 0;
};
struct SubmitJob {
  Job job;
};
struct TokenOut {
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;
  int exit_layer = 0;
  float confidence = 0.0F;
  float logprob = 0.0F;
  std::vector<std::pair<int32_t, float>> top;
  std::vector<float> logits;
};
struct PromptScoreOut {  // of a token of the prompt, by the full model
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;  // the likeliest one there
  float logprob = 0.0F;
  std::vector<std::pair<int32_t, float>> top;  // where log-probabilities of others are asked for
};
using Finish = EndReason;
struct SequenceFinishedOut {
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int tokens = 0;
  Finish reason = Finish::kStop;
  bool retained = false;  // the K/V of SequenceSpec::retain_tokens stays until it is evicted
};
struct SequenceClosedOut {
  uint64_t sequence = 0;
};
struct StageFailed {  // the peer broke the protocol: the pipeline must be ended
  Error error;
};
using StageAction = std::variant<SendFrame, LoadStates, GrowSlots, SubmitJob, TokenOut, PromptScoreOut,
                                 SequenceFinishedOut, SequenceClosedOut, StageFailed>;

// Totals since the stage began, and what is there now.
struct StageCounters {
  uint64_t steps = 0;  // segment jobs
  uint64_t live_rows = 0;
  uint64_t prompt_rows = 0;
  uint64_t fill_rows = 0;
  uint64_t fills_dropped = 0;
  uint64_t fills_sent = 0;
  uint64_t frames_sent = 0;   // to the next stage
  uint64_t returns_sent = 0;  // frames of tokens to stage 0
  uint64_t frames_received = 0;
  uint64_t stale_frames = 0;  // frames of another epoch, and rows of an old generation or a closed sequence
  uint64_t largest_batch_rows = 0;
  uint64_t mixed_batches = 0;  // jobs with rows of two or more sequences
  StepRowsCounts step_rows{};  // steps by their rows
  int micro_batches_max = 0;
  std::map<int, uint64_t> exits;  // tokens that left here, by layers run
};
struct SequenceProgress {
  uint64_t sequence = 0;
  int watermark = 0;  // least of the segments
  int backlog = 0;    // fills that wait here
};

class Stage {
 public:
  explicit Stage(const StageConfig& config, const ExitPolicy* policy);

  // Applies the events in order, then schedules. The driver carries the actions out in order. `actions` comes
  // with those of an earlier step, carried out, for their memory: so does a job in JobDone, and a steady
  // stage allocates nothing.
  void Step(TimePoint now, std::span<StageEvent> events, std::vector<StageAction>* actions);

  // False while enough rows wait here: the driver takes no frames then.
  bool AcceptsFrames() const;
  // Nothing is open, queued or in flight: the driver may block until its doorbell rings.
  bool Idle() const;
  // When a Step is due though nothing arrives (fills that may wait no longer).
  std::optional<TimePoint> NextWake() const;
  // Work waits for a credit of the next stage.
  bool Blocked() const { return blocked_; }

  const StageCounters& counters() const { return counters_; }
  std::vector<SequenceProgress> Progress() const;
  int pages_used() const { return pages_.used(); }
  int pages_total() const { return pages_.total(); }
  int open_sequences() const { return static_cast<int>(sequences_.size()); }
  uint64_t opened() const {
    return opened_;
  }  // sequences opened since the start: matches the doorbell's number
  int backlog_rows() const;
  int slots_used() const { return slot_count_ - static_cast<int>(free_slots_.size()); }
  int micro_batches() const { return static_cast<int>(micro_batches_.size()); }
  int frames_in_flight() const { return frames_in_flight_; }

 private:
  struct Sequence {
    std::shared_ptr<const SequenceSpec> spec;
    uint32_t generation = 0;
    std::vector<int32_t> pages;
    PromptCandidates candidates;
    std::vector<int32_t> tokens;  // prompt and what was generated, as far as seen here
    std::vector<int> watermark;   // per segment
    int rows_in_jobs = 0;
    int kept =
        0;  // prompt rows below it run even when the sequence is over: others use their K/V, or they score
    int scores_due = 0;    // rows that wait for the head, or are in it, to score the next token
    bool closing = false;  // it is over; it stays until those rows, and the rows in jobs, are done
    RowKind closed_by = RowKind::kClose;
    int retained = 0;  // tokens whose pages stay behind; known once it is closing
    bool close_sent = false;
    int prompt_issued = 0;     // stage 0: prompt rows that were made, or shared
    uint64_t micro_batch = 0;  // stage 0: frame that carried it; 0: none
  };
  // What a sequence that is over has left behind: others may share it.
  struct Retained {
    std::shared_ptr<const SequenceSpec> spec;
    std::vector<int32_t> pages;
    int tokens = 0;
  };
  struct Row {
    FrameRow row;
    int32_t slot = -1;
    TimePoint since;  // when it became a fill that waits
    std::shared_ptr<const SequenceSpec>
        open;  // of a kOpen row: the sequence may be over before the row is sent
  };
  struct Segment {
    int begin = 0;
    int end = 0;
    bool exit = false;  // exits are possible at its end
    Fifo<Row> queue;
  };
  // A row that needs the head after a segment: it leaves there, its measure needs the head to decide, or it
  // is a prompt's and scores the next token.
  struct Leaving {
    Row row;
    size_t segment = 0;
    bool decide = false;
    float confidence = 0.0F;  // measured before the head
  };
  struct InFlight {
    uint64_t id = 0;  // 0: nothing is
    TimePoint begin;
    size_t segment = 0;
    std::vector<Row> rows;         // of a segment job
    std::vector<Leaving> leaving;  // of a head job
  };
  struct MicroBatch {
    uint64_t frame = 0;  // its number
    int rows = 0;        // live ones whose tokens are not back
  };

  // stage_sequences.cc
  void On(AdmitSequences& event);
  void On(CancelSequences& event);
  void On(EvictPrefixes& event);
  bool Open(SequenceSpec spec);
  Status SharePrefix(SequenceSpec* spec, std::vector<int32_t>* pages);
  void OnClose(const FrameRow& row);
  void OnRollback(const FrameRow& row);
  void Finished(Sequence* sequence, Finish reason);
  void Close(Sequence* sequence, RowKind kind, int retained);
  void EndIfDone(Sequence* sequence);
  void Release(Sequence* sequence);
  void Evict(uint64_t sequence);
  void DropRows(uint64_t sequence, uint32_t before_generation);
  static bool Outlives(const Sequence& sequence, const FrameRow& row);
  static bool Scores(const Sequence& sequence, const FrameRow& row);

  // stage_events.cc
  void On(FrameArrived& event);
  void On(FrameTaken& event);
  void On(JobDone& event);
  void On(FlushForwarding& event);
  void OnStateRow(const FrameRow& row, std::vector<int32_t>* load);
  void OnToken(const FrameRow& row);
  void LearnStagesUsed(int exit_layer);
  void LeaveMicroBatch(Sequence* sequence);
  void SegmentDone(const SegmentResult& result);
  void Decide(const Sequence& sequence, const Row& row, size_t index, float signal, int32_t preview);
  void HeadDone(std::vector<HeadRowResult>* results);
  void Score(Sequence* sequence, Row row, HeadRowResult* result);
  void Leave(Row row, size_t segment, HeadRowResult* result, float confidence);
  void Continue(Row row, size_t next_segment);
  // The row's sequence, if it is open, current and not closing, or the row outlives it; otherwise the row is
  // dropped and nullptr returned.
  Sequence* Current(const Row& row);
  ExitQuery Query(const Sequence& sequence, const Row& row, int layer, float signal) const;
  static TokenHistory History(const Sequence& sequence, const FrameRow& row);

  // stage_schedule.cc
  void Reclaim(std::vector<StageAction>* actions);
  void Schedule();
  void MakeRows();
  void MakeRow(const Sequence& sequence, int position, RowKind kind);
  void MakeDecodeRows(int limit);
  void MakePromptRows(int budget);
  std::optional<size_t> PickSegment();
  void SubmitBatch(size_t segment);
  bool RowsRunnable(size_t first_segment) const;
  bool HeadDue() const;
  void SubmitHead();
  template <typename Work>
  void Submit(Work work);
  bool FillsDue(const Fifo<Row>& rows, size_t count, bool idle) const;
  void Forward();
  void SendReturns();
  SendFrame NewFrame(Link link);
  void SendRow(Row* row, SendFrame* send);
  size_t CollectUrgent();

  Sequence* Find(uint64_t sequence);
  int32_t TakeSlot();
  void FreeSlot(Row* row);
  bool running() const { return in_flight_.id != 0; }
  bool first() const { return config_.rank == 0; }
  bool last() const { return config_.rank + 1 == config_.ranks(); }
  void Fail(Error error) { actions_.push_back(StageFailed{std::move(error)}); }

  StageConfig config_;
  const ExitPolicy* policy_;
  std::vector<Segment> segments_;
  std::map<uint64_t, std::unique_ptr<Sequence>> sequences_;
  std::map<uint64_t, Retained> retained_;
  PageAllocator pages_;
  std::vector<int32_t> free_slots_;
  int slot_count_ = 0;

  Fifo<Row> outbox_;                       // to the next stage, in order per sequence
  std::vector<FrameRow> returns_;          // tokens to stage 0
  Fifo<uint64_t> prefill_;                 // stage 0: sequences with prompt rows to make
  Fifo<uint64_t> ready_;                   // stage 0: sequences whose next decode row can be made
  std::vector<MicroBatch> micro_batches_;  // stage 0
  std::vector<Leaving> head_queue_;
  InFlight in_flight_;
  uint64_t next_job_ = 1;
  uint64_t next_frame_ = 1;
  uint64_t opened_ = 0;
  int frames_in_flight_ = 0;
  bool flush_all_ = false;
  bool blocked_ = false;
  double stages_used_ = 1;  // stage 0: by a token, on average of late
  int passed_over_ = 0;     // steps in turn in which the deepest segment with a row was not run
  LearntCost layer_cost_;   // of running rows, a layer
  LearntCost head_cost_;
  TimePoint now_;
  std::vector<StageAction> actions_;
  // Kept for their memory.
  std::vector<std::vector<FrameRow>> spare_rows_;
  std::vector<std::vector<int32_t>> spare_slots_;
  SegmentJob spare_segment_job_;
  HeadJob spare_head_job_;
  std::vector<uint64_t> urgent_;  // sequences with a row in the outbox that is no fill, ascending
  StageCounters counters_;
};

}  // namespace exeunt
