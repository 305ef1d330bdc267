#include "worker/stage_runner.h"

#include "base/check.h"
#include "base/error.h"

namespace exeunt {
StageRunner::StageRunner(const StageConfig& config, const ExitPolicy* policy,
                         std::unique_ptr<Executor> executor, DataChannel* channel)
    : limits_(config.limits), stage_(config, policy), executor_(std::move(executor)), channel_(channel) {}

Status StageRunner::Receive(std::vector<StageEvent>* events) {
  for (int taken = channel_->TakenByNext(); taken > 0; --taken) events->push_back(FrameTaken{});
  // Frames of one turn are bounded by the sender's credits.
  for (;;) {
    DataMessage message;
    ASSIGN_OR_RETURN(const bool received, channel_->Receive(stage_.AcceptsFrames(), &message));
    if (!received) return OkStatus();
    bytes_received_ += message.header.size() + message.payload.size();
    ASSIGN_OR_RETURN(Frame frame, DecodeFrame(message.header, limits_));
    const size_t expected = frame.state_rows() * executor_->state_bytes();
    if (message.payload.size() != expected) {
      return DataLoss("frame {} has {} bytes of states, not {}", frame.number, message.payload.size(),
                      expected);
    }
    const uint64_t id = next_payload_++;
    payloads_[id] = std::move(message.payload);
    events->push_back(FrameArrived{std::move(frame), id});
  }
}

void StageRunner::Compute(std::vector<StageEvent>* events) {
  std::vector<JobDone> done;
  span_.begin = MonotonicNow();
  executor_->Poll(&done);
  span_.end = MonotonicNow();
  job_submitted_ = done.empty();
  if (!done.empty() && trace_ != nullptr) trace_->Add(span_);
  for (JobDone& d : done) events->push_back(std::move(d));
}

bool StageRunner::Turn(std::vector<StageEvent> events, StageOutputs* out) {
  if (job_submitted_) Compute(&events);
  // After the job: what arrived meanwhile may run in the next one.
  if (const Status received = Receive(&events); !received.has_value()) {
    out->failed = received.error();
    return false;
  }
  const bool had_events = !events.empty();
  auto actions = stage_.Step(MonotonicNow(), std::move(events));
  const bool acted = !actions.empty();
  for (StageAction& action : actions) Act(std::move(action), out);
  payloads_.clear();
  return had_events || acted;
}

void StageRunner::Act(StageAction action, StageOutputs* out) {
  if (auto* send = std::get_if<SendFrame>(&action)) {
    DataMessage message;
    message.header = EncodeFrame(send->frame);
    if (!send->slots.empty()) executor_->Gather(send->slots, &message.payload);
    bytes_sent_ += message.header.size() + message.payload.size();
    if (send->link == Link::kNext) {
      channel_->SendNext(std::move(message));
    } else {
      channel_->SendFirst(std::move(message));
    }
  } else if (auto* load = std::get_if<LoadStates>(&action)) {
    executor_->Scatter(load->slots, payloads_.at(load->payload).data());
  } else if (auto* grow = std::get_if<GrowSlots>(&action)) {
    executor_->EnsureSlots(grow->count);
  } else if (auto* submit = std::get_if<SubmitJob>(&action)) {
    span_ = SpanOf(submit->job);
    executor_->Submit(std::move(submit->job));
    job_submitted_ = true;
  } else if (auto* token = std::get_if<TokenOut>(&action)) {
    out->tokens.push_back(std::move(*token));
  } else if (auto* finished = std::get_if<SequenceFinishedOut>(&action)) {
    out->finished.push_back(*finished);
  } else if (auto* closed = std::get_if<SequenceClosedOut>(&action)) {
    out->closed.push_back(closed->sequence);
  } else if (auto* failed = std::get_if<StageFailed>(&action)) {
    out->failed = std::move(failed->error);
  }
}

}  // namespace exeunt
