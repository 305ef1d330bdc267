// Drives a CoordinatorCore in tests with a virtual clock and short functions for what workers and clients do.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/coordinator_core.h"

namespace exeunt::coordinator {

inline void PrintTo(const ToWorker& message, std::ostream* out) { *out << "ToWorker " << message.index(); }

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

  // Runs a step with these events and appends its actions to `actions`.
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
  // Ticks in steps of `step` until `length` has passed. The workers send heartbeats meanwhile if `beat`.
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
    From(pipeline, rank, from_worker::Heartbeat{counter, busy});
  }
  uint64_t EpochOf(uint32_t pipeline) const { return core.replicas()[pipeline].pipeline.epoch(); }
  void From(uint32_t pipeline, uint32_t rank, const FromWorker& message) {
    Do1(WorkerMessage{pipeline, EpochOf(pipeline), rank, message});
  }
  void Connect(uint32_t pipeline = 0) {
    for (uint32_t rank = 0; rank < core.config().stages; ++rank) {
      Do1(WorkerConnected{pipeline, EpochOf(pipeline), rank});
    }
  }
  void Ready(uint32_t pipeline, uint32_t rank, uint64_t pages, uint32_t page_tokens = 16) {
    From(pipeline, rank, from_worker::Ready{.kv_pages = pages, .page_tokens = page_tokens});
  }
  void Token(uint32_t pipeline, uint32_t rank, uint64_t sequence, uint32_t position, int32_t token,
             uint32_t generation = 0) {
    const TokenEvent event{.generation = generation, .position = position, .token = token};
    From(pipeline, rank, from_worker::Tokens{{{sequence, event}}});
  }
  // Sends scores of `count` tokens of the sequence's prompt from `position` on. The likeliest token equals
  // the position.
  void Scores(uint32_t pipeline, uint32_t rank, uint64_t sequence, uint32_t position, uint32_t count) {
    from_worker::Scores message;
    for (uint32_t i = 0; i < count; ++i) {
      message.scores.push_back(
          {sequence, {.position = position + i, .token = static_cast<int32_t>(position + i)}});
    }
    From(pipeline, rank, message);
  }
  void Finished(uint32_t pipeline, uint64_t sequence, uint32_t tokens, EndReason reason = EndReason::kLength,
                uint32_t rank = 0, bool retained = false) {
    From(pipeline, rank, from_worker::SequenceFinished{sequence, tokens, reason, retained});
  }
  void Failed(uint32_t pipeline, uint32_t rank, uint64_t sequence, const std::string& reason) {
    From(pipeline, rank, from_worker::SequenceFailed{sequence, reason});
  }
  void Closed(uint32_t pipeline, uint32_t rank, uint64_t sequence) {
    From(pipeline, rank, from_worker::SequencesClosed{{sequence}});
  }
  void CloseEverywhere(uint32_t pipeline, uint64_t sequence) {
    for (uint32_t rank = 0; rank < core.config().stages; ++rank) Closed(pipeline, rank, sequence);
  }
  // Answers the canary of a pipeline.
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
  // Starts, connects and loads all pipelines and answers their canaries. Then clears the actions.
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
    record.prompt.assign(prompt, static_cast<int32_t>(id));  // no two prompts share a prefix
    record.max_tokens = static_cast<int>(max_tokens);
    Do1(RequestArrived{id, std::move(record)});
    return id;
  }

  // Returns all actions of a kind since the last clear.
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const CoreAction& action : actions) {
      if (const T* match = std::get_if<T>(&action)) found.push_back(*match);
    }
    return found;
  }
  // Returns the messages of one kind to a rank since the last clear.
  template <typename Message>
  std::vector<Message> Sent(uint32_t pipeline, uint32_t rank) const {
    std::vector<Message> found;
    for (const SendToWorker& send : All<SendToWorker>()) {
      const auto* message = std::get_if<Message>(&send.message);
      if (send.pipeline == pipeline && send.rank == rank && message != nullptr) found.push_back(*message);
    }
    return found;
  }

  CoordinatorCore core;
  TimePoint now{std::chrono::seconds(1000)};
  std::vector<CoreAction> actions;
  uint64_t epoch = 0;  // epoch of the newest StartPipeline
  uint64_t progress = 0;
  RequestId last_id = 0;
};

}  // namespace exeunt::coordinator
