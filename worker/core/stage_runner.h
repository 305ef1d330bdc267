// StageRunner: joins a stage core, an executor and a data channel: carries events in and actions out. One
// thread drives it; the worker process and the in-process pipeline both do nothing else.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backend/executor.h"
#include "base/error.h"
#include "base/fifo.h"
#include "transport/data_channel.h"
#include "worker/core/stage.h"
#include "worker/core/step_trace.h"

namespace exeunt::worker {

// What a turn has for the coordinator.
struct StageOutputs {
  std::vector<TokenOut> tokens;
  std::vector<PromptScoreOut> scores;
  std::vector<SequenceFinishedOut> finished;
  std::vector<uint64_t> closed;
  std::vector<SequenceFailedOut> failed_sequences;
  std::optional<Error> failed;

  // For drivers that do not go on without a sequence: why the pipeline or a sequence failed.
  Status Health() const {
    if (failed) return *failed;
    if (failed_sequences.empty()) return OkStatus();
    return Internal("sequence {}: {}", failed_sequences.front().sequence, failed_sequences.front().reason);
  }
};

class StageRunner {
 public:
  using Clock = std::function<TimePoint()>;
  // `policy` and `channel` outlive the runner. The executor's depth replaces the configured one.
  StageRunner(const StageConfig& config, const ExitPolicy* policy, std::unique_ptr<Executor> executor,
              transport::DataChannel* channel, Clock now = MonotonicNow);

  // Computes what was submitted, receives, steps the core and carries out its actions. Appends to `out`.
  // True: something happened, so another turn is worth while at once.
  bool Turn(std::vector<StageEvent> events, StageOutputs* out);

  // Every job from here on is noted in `trace`, which outlives the runner; nullptr: none.
  void set_trace(StepTrace* trace) { trace_ = trace; }

  const Stage& stage() const { return stage_; }
  Executor& executor() { return *executor_; }
  bool Idle() const { return stage_.Idle() && jobs_in_flight_ == 0 && channel_->Idle(); }
  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t bytes_received() const { return bytes_received_; }

 private:
  Status Receive();
  void Act(StageAction* action, StageOutputs* out);
  void Poll();
  void Send(const SendFrame& send);

  SequenceLimits limits_;
  Stage stage_;
  std::unique_ptr<Executor> executor_;
  transport::DataChannel* channel_;
  // A turn's own, kept for their memory.
  std::vector<StageEvent> events_;
  std::vector<StageAction> actions_;
  std::vector<JobDone> done_;
  std::vector<transport::DataMessage> received_;  // the first ones are this turn's: FrameArrived::payload
  std::vector<Frame> spare_frames_;
  Fifo<std::unique_ptr<transport::StatePayload>> scattered_;  // the executor may still be reading them
  transport::DataMessage to_next_;
  transport::DataMessage to_first_;
  Clock now_;
  int jobs_in_flight_ = 0;
  StepTrace* trace_ = nullptr;
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
};

}  // namespace exeunt::worker
