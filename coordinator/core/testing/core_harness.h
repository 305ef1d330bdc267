// Drives a CoordinatorCore in tests: a virtual clock, and shorthands for what workers and clients do.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/coordinator_core.h"

namespace exeunt::proto {

inline void PrintTo(const ToWorker& message, std::ostream* out) {
  *out << "ToWorker " << message.body_case();
}

}  // namespace exeunt::proto

namespace exeunt {

// Two stages with room for four sequences; two requests may wait.
inline CoreConfig FourPlaces() {
  CoreConfig config;
  config.stages = 2;
  config.context_length = 1000;
  config.max_queue = 2;
  config.max_sequences = 4;
  return config;
}

class CoreHarness {
 public:
  explicit CoreHarness(const CoreConfig& config) : core(config) {}

  // The events that came of it are appended to `actions`.
  void Do(std::vector<CoreEvent> events) {
    for (CoreAction& action : core.Step(now, std::move(events))) {
      if (const auto* start = std::get_if<StartPipeline>(&action)) epoch = start->epoch;
      actions.push_back(std::move(action));
    }
  }
  template <typename Event>
  void Do1(Event event) {
    std::vector<CoreEvent> events;
    events.emplace_back(std::move(event));
    Do(std::move(events));
  }
  // Ticks of `step` until `length` has passed; workers of `pipelines` beat meanwhile.
  void Pass(Duration length, bool beat = true, Duration step = std::chrono::milliseconds(500)) {
    for (const TimePoint end = now + length; now < end;) {
      now = now + std::min(step, end - now);
      if (beat) BeatAll();
      Do1(Tick{});
    }
  }
  void BeatAll(bool busy = false) {
    for (const Replica& replica : core.replicas()) {
      for (uint32_t rank = 0; rank < replica.pipeline.ranks().size(); ++rank) {
        if (replica.pipeline.ranks()[rank].connected) Beat(replica.pipeline.index(), rank, ++progress, busy);
      }
    }
  }
  void Beat(uint32_t pipeline, uint32_t rank, uint64_t counter, bool busy) {
    proto::ToCoordinator message;
    message.mutable_heartbeat()->set_progress(counter);
    message.mutable_heartbeat()->set_busy(busy);
    From(pipeline, rank, message);
  }
  uint64_t EpochOf(uint32_t pipeline) const { return core.replicas()[pipeline].pipeline.epoch(); }
  void From(uint32_t pipeline, uint32_t rank, const proto::ToCoordinator& message) {
    Do1(WorkerMessage{pipeline, EpochOf(pipeline), rank, message});
  }
  void Connect(uint32_t pipeline = 0) {
    for (uint32_t rank = 0; rank < core.config().stages; ++rank) {
      Do1(WorkerConnected{pipeline, EpochOf(pipeline), rank});
    }
  }
  void Ready(uint32_t pipeline, uint32_t rank, uint64_t pages, uint32_t page_tokens = 16) {
    proto::ToCoordinator message;
    message.mutable_ready()->set_kv_pages(pages);
    message.mutable_ready()->set_page_tokens(page_tokens);
    From(pipeline, rank, message);
  }
  void Token(uint32_t pipeline, uint32_t rank, uint64_t sequence, uint32_t position, int32_t token,
             uint32_t generation = 0) {
    proto::ToCoordinator message;
    proto::TokenEvent& event = *message.mutable_tokens()->add_events();
    event.set_sequence(sequence);
    event.set_position(position);
    event.set_token(token);
    event.set_generation(generation);
    From(pipeline, rank, message);
  }
  // Scores of `count` tokens of the sequence's prompt from `position` on: the position is the likeliest
  // token.
  void Scores(uint32_t pipeline, uint32_t rank, uint64_t sequence, uint32_t position, uint32_t count) {
    proto::ToCoordinator message;
    for (uint32_t i = 0; i < count; ++i) {
      proto::PromptScore& score = *message.mutable_scores()->add_scores();
      score.set_sequence(sequence);
      score.set_position(position + i);
      score.set_token(static_cast<int32_t>(position + i));
    }
    From(pipeline, rank, message);
  }
  void Finished(uint32_t pipeline, uint64_t sequence, uint32_t tokens,
                proto::FinishReason reason = proto::FINISH_LENGTH, uint32_t rank = 0, bool retained = false) {
    proto::ToCoordinator message;
    message.mutable_finished()->set_sequence(sequence);
    message.mutable_finished()->set_tokens(tokens);
    message.mutable_finished()->set_reason(reason);
    message.mutable_finished()->set_retained(retained);
    From(pipeline, rank, message);
  }
  void Failed(uint32_t pipeline, uint32_t rank, uint64_t sequence, const std::string& reason) {
    proto::ToCoordinator message;
    message.mutable_failed()->set_sequence(sequence);
    message.mutable_failed()->set_reason(reason);
    From(pipeline, rank, message);
  }
  void Closed(uint32_t pipeline, uint32_t rank, uint64_t sequence) {
    proto::ToCoordinator message;
    message.mutable_closed()->add_sequence(sequence);
    From(pipeline, rank, message);
  }
  void CloseEverywhere(uint32_t pipeline, uint64_t sequence) {
    for (uint32_t rank = 0; rank < core.config().stages; ++rank) Closed(pipeline, rank, sequence);
  }
  // The canary of a pipeline comes back.
  void AnswerCanary(uint32_t pipeline = 0) {
    for (const auto& [number, sequence] : core.replicas()[pipeline].sequences) {
      if (!sequence.canary) continue;
      const uint64_t canary = number;
      Token(pipeline, core.config().stages - 1, canary, 1, 7);
      Finished(pipeline, canary, 1);
      CloseEverywhere(pipeline, canary);
      return;
    }
  }
  // Started, connected, loaded, canary back; actions cleared.
  void BringUp(uint64_t pages = 100) {
    Do1(Tick{});
    for (uint32_t pipeline = 0; pipeline < core.config().pipelines; ++pipeline) {
      Connect(pipeline);
      for (uint32_t rank = 0; rank < core.config().stages; ++rank) Ready(pipeline, rank, pages);
      AnswerCanary(pipeline);
    }
    actions.clear();
  }
  RequestId Arrive(size_t prompt, uint32_t max_tokens, uint32_t score_from = 0) {
    return Arrive({.score_from = static_cast<int>(score_from)}, prompt, max_tokens);
  }
  RequestId Arrive(SequenceRequest record, size_t prompt, uint32_t max_tokens) {
    const RequestId id = ++last_id;
    record.prompt.assign(prompt, static_cast<int32_t>(id));  // none begins as another
    record.max_tokens = static_cast<int>(max_tokens);
    Do1(RequestArrived{id, std::move(record)});
    return id;
  }

  // All actions of a kind since the last clear.
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const CoreAction& action : actions) {
      if (const T* match = std::get_if<T>(&action)) found.push_back(*match);
    }
    return found;
  }
  // Messages to a rank since the last clear, of one kind.
  std::vector<proto::ToWorker> Sent(uint32_t pipeline, uint32_t rank, proto::ToWorker::BodyCase kind) const {
    std::vector<proto::ToWorker> found;
    for (const SendToWorker& send : All<SendToWorker>()) {
      if (send.pipeline == pipeline && send.rank == rank && send.message.body_case() == kind) {
        found.push_back(send.message);
      }
    }
    return found;
  }

  CoordinatorCore core;
  TimePoint now{std::chrono::seconds(1000)};
  std::vector<CoreAction> actions;
  uint64_t epoch = 0;  // of the newest StartPipeline
  uint64_t progress = 0;
  RequestId last_id = 0;
};

}  // namespace exeunt
