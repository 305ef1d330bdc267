// StageRunner joins a stage core, an executor and a data channel. It carries events to the core and its
// actions out. One thread drives it. The worker process and the in-process pipeline are built on it.
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

// The results of a turn for the coordinator.
struct StageOutputs {
  std::vector<TokenOut> tokens;
  std::vector<PromptScoreOut> scores;
  std::vector<SequenceFinishedOut> finished;
  std::vector<uint64_t> closed;
  std::vector<SequenceFailedOut> failed_sequences;
  std::optional<Error> failed;

  // Returns why the pipeline or a sequence failed, for drivers that stop at the first failure.
  Status Health() const {
    if (failed) return *failed;
    if (failed_sequences.empty()) return OkStatus();
    return Internal("sequence {}: {}", failed_sequences.front().sequence, failed_sequences.front().reason);
  }
};

class StageRunner {
 public:
  using Clock = std::function<TimePoint()>;
  // `policy` and `channel` must outlive the runner. The executor's depth replaces the configured one.
  StageRunner(const StageConfig& config, const ExitPolicy* policy, std::unique_ptr<Executor> executor,
              transport::DataChannel* channel, Clock now = MonotonicNow);

  // Computes submitted jobs, receives, steps the core and carries out its actions. Appends to `out`. Returns
  // whether something happened, in which case another turn should follow at once.
  bool Turn(std::vector<StageEvent> events, StageOutputs* out);

  // Adds every later job to `trace`, which must outlive the runner. nullptr ends this.
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
  // The objects of a turn, which are kept for their memory.
  std::vector<StageEvent> events_;
  std::vector<StageAction> actions_;
  std::vector<JobDone> done_;
  std::vector<transport::DataMessage> received_;  // the first ones belong to this turn: FrameArrived::payload
  std::vector<Frame> spare_frames_;
  Fifo<std::unique_ptr<transport::StatePayload>> scattered_;  // payloads that the executor may still read
  transport::DataMessage to_next_;
  transport::DataMessage to_first_;
  Clock now_;
  int jobs_in_flight_ = 0;
  StepTrace* trace_ = nullptr;
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
};

}  // namespace exeunt::worker
