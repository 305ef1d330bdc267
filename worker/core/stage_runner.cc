#include "worker/core/stage_runner.h"

#include <spdlog/spdlog.h>

#include "base/check.h"
#include "base/error.h"
#include "base/spare.h"

namespace exeunt::worker {
namespace {

StageConfig WithDepth(StageConfig config, int depth) {
  config.depth = depth;
  return config;
}

}  // namespace

StageRunner::StageRunner(const StageConfig& config, const ExitPolicy* policy,
                         std::unique_ptr<Executor> executor, transport::DataChannel* channel, Clock now)
    : limits_(config.limits),
      stage_(WithDepth(config, executor->depth()), policy),
      executor_(std::move(executor)),
      channel_(channel),
      now_(std::move(now)) {}

Status StageRunner::Receive() {
  for (int taken = channel_->TakenByNext(); taken > 0; --taken) events_.push_back(FrameTaken{});
  // The sender's credits bound the frames of one turn.
  for (size_t n = 0;; ++n) {
    if (n == received_.size()) received_.emplace_back();
    transport::DataMessage& message = received_[n];
    ASSIGN_OR_RETURN(const bool received,
                     channel_->Receive(stage_.AcceptsFrames(), executor_->payloads(), &message));
    if (!received) return OkStatus();
    bytes_received_ += message.header.size() + message.payload_bytes();
    FrameArrived arrived{TakeSpare(&spare_frames_), n};
    RETURN_IF_ERROR(DecodeFrame(message.header, limits_, &arrived.frame));
    const size_t expected = arrived.frame.state_rows() * executor_->state_bytes();
    if (message.payload_bytes() != expected) {
      return DataLoss("frame {} has {} bytes of states, not {}", arrived.frame.number,
                      message.payload_bytes(), expected);
    }
    events_.push_back(std::move(arrived));
  }
}

void StageRunner::Poll() {
  executor_->Poll(&done_);
  for (JobDone& done : done_) {
    --jobs_in_flight_;
    if (trace_ != nullptr) {
      StepSpan span = SpanOf(done.job);
      span.end = now_();
      span.begin = span.end + -done.took;
      trace_->Add(span);
    }
    events_.push_back(std::move(done));
  }
  done_.clear();
}

bool StageRunner::Turn(std::vector<StageEvent> events, StageOutputs* out) {
  for (StageEvent& event : events) events_.push_back(std::move(event));
  while (!scattered_.empty() && scattered_.front()->Ready())
    executor_->payloads()->GiveBack(scattered_.Take());
  if (jobs_in_flight_ > 0) Poll();
  // Receives after the job, so that new rows may run in the next one.
  if (const Status received = Receive(); !received.has_value()) {
    out->failed = received.error();
    return false;
  }
  stage_.Step(now_(), events_, &actions_);
  const bool active = !events_.empty() || !actions_.empty();
  for (StageAction& action : actions_) Act(&action, out);
  for (StageEvent& event : events_) {
    if (auto* arrived = std::get_if<FrameArrived>(&event)) spare_frames_.push_back(std::move(arrived->frame));
  }
  events_.clear();
  return active;
}

void StageRunner::Send(const SendFrame& send) {
  transport::DataMessage* message = send.link == Link::kNext ? &to_next_ : &to_first_;
  EncodeFrame(send.frame, &message->header);
  if (send.slots.empty()) {
    executor_->payloads()->GiveBack(std::move(message->payload));
  } else {
    if (message->payload == nullptr) message->payload = executor_->payloads()->Take(0);
    executor_->Gather(send.slots, message->payload.get());
  }
  bytes_sent_ += message->header.size() + message->payload_bytes();
  if (send.link == Link::kNext) {
    channel_->SendNext(message);
  } else {
    channel_->SendFirst(message);
  }
}

// The action is then kept only for its memory.
void StageRunner::Act(StageAction* action, StageOutputs* out) {
  if (const auto* send = std::get_if<SendFrame>(action)) {
    Send(*send);
  } else if (const auto* load = std::get_if<LoadStates>(action)) {
    transport::DataMessage& message = received_[load->payload];
    executor_->Scatter(load->slots, message.payload.get());
    scattered_.push_back(std::move(message.payload));
  } else if (const auto* grow = std::get_if<GrowSlots>(action)) {
    // A job fails with an error if there is no memory for its rows.
    if (const Status reserved = executor_->Reserve(grow->count); !reserved.has_value())
      spdlog::warn("reserving states of {} rows: {}", grow->count, reserved.error().message);
  } else if (auto* submit = std::get_if<SubmitJob>(action)) {
    executor_->Submit(std::move(submit->job));
    ++jobs_in_flight_;
  } else if (const auto* forget = std::get_if<ForgetSequence>(action)) {
    executor_->Forget(forget->sequence);
  } else if (auto* token = std::get_if<TokenOut>(action)) {
    out->tokens.push_back(std::move(*token));
  } else if (const auto* score = std::get_if<PromptScoreOut>(action)) {
    out->scores.push_back(*score);
  } else if (const auto* finished = std::get_if<SequenceFinishedOut>(action)) {
    out->finished.push_back(*finished);
  } else if (const auto* closed = std::get_if<SequenceClosedOut>(action)) {
    out->closed.push_back(closed->sequence);
  } else if (auto* sequence = std::get_if<SequenceFailedOut>(action)) {
    out->failed_sequences.push_back(std::move(*sequence));
  } else if (auto* failed = std::get_if<StageFailed>(action)) {
    out->failed = std::move(failed->error);
  }
}

}  // namespace exeunt::worker
