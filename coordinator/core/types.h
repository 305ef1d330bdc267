// What CoordinatorCore takes in and gives out: plain data, so that a test or a simulator can drive it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "coordinator/core/token_event.h"
#include "coordinator/core/worker_messages.h"
#include "request/end_reason.h"
#include "request/sequence_request.h"

namespace exeunt::coordinator {

// Never used twice; grows in order of arrival.
using RequestId = uint64_t;

// Positions that a request takes: its prompt's and its longest answer's.
inline uint64_t Positions(const SequenceRequest& request) {
  return request.prompt.size() + static_cast<uint64_t>(request.max_tokens);
}

enum class PipelineState {
  kStarting,  // the job was started, not every rank is connected
  kLoading,   // every rank is connected, not every one is ready
  kReady,     // every stage is loaded; requests are admitted once a first token has come through
  kEnding,    // the job was told to end
  kBackoff,   // waits to be started again
  kStopped,   // drained
};
const char* PipelineStateName(PipelineState state);

enum class FailureKind {
  kContextLength,      // 400: prompt + max_tokens is over the model's context
  kTooLarge,           // 400: it would not fit into the whole KV budget
  kQueueFull,          // 429
  kNoPipeline,         // 503: none is ready
  kPipelineRestarted,  // 503: the job that ran it ended
  kQueueTimeout,       // 503: waited too long for a place
  kShuttingDown,       // 503
  kDeadline,           // 408: the request's own timeout has passed
  kRefused,            // 400: a worker cannot run it
  kStageFailed,        // 500: a job of it failed on a stage
};

// ---- events

struct RequestArrived {
  RequestId id;
  SequenceRequest request;
};
// The client is gone: whatever the request was doing is of no more use. Idempotent; unknown ids are ignored.
struct ClientGone {
  RequestId id;
};
// The answer is complete (a stop string): the rest is not wanted. Idempotent; unknown ids are ignored.
struct StopRequest {
  RequestId id;
};
struct WorkerConnected {
  uint32_t pipeline;
  uint64_t epoch;
  uint32_t rank;
};
struct WorkerLost {
  uint32_t pipeline;
  uint64_t epoch;
  uint32_t rank;
  std::string why;
};
struct WorkerMessage {
  uint32_t pipeline;
  uint64_t epoch;
  uint32_t rank;
  FromWorker message;
};
struct PipelineExited {
  uint32_t pipeline;
  uint64_t epoch;
  std::string status;  // in words: "exit code 1", "signal 9"
};
// Time has passed; sent at least every few hundred milliseconds.
struct Tick {};
// No new requests; what runs may finish until the drain limit, then everything is ended.
struct Drain {};

using CoreEvent = std::variant<RequestArrived, ClientGone, StopRequest, WorkerConnected, WorkerLost,
                               WorkerMessage, PipelineExited, Tick, Drain>;

// ---- actions

struct SendToWorker {
  uint32_t pipeline;
  uint64_t epoch;
  uint32_t rank;
  ToWorker message;
};
struct StartPipeline {
  uint32_t pipeline;
  uint64_t epoch;
};
// Its links are to be closed and its processes ended; PipelineExited is to follow.
struct EndPipeline {
  uint32_t pipeline;
  uint64_t epoch;
  std::string why;
};
// Left the queue.
struct RequestAdmitted {
  RequestId id;
  uint32_t pipeline;
  uint32_t cached_tokens;  // of the prompt, whose K/V was there
};
// The next tokens, in order of position, no gaps. An end token is among them.
struct RequestTokens {
  RequestId id;
  std::vector<TokenEvent> tokens;
};
// What the full model says of the prompt's tokens, where asked for; all of them come before RequestFinished,
// unless the request was cancelled.
struct RequestScores {
  RequestId id;
  std::vector<PromptScore> scores;
};
// Ends a request that was accepted. kCancelled: ClientGone or StopRequest came first.
struct RequestFinished {
  RequestId id;
  EndReason reason;
  uint32_t tokens;
};
// Ends (or refuses) a request with an error.
struct RequestFailed {
  RequestId id;
  FailureKind kind;
  std::string message;
};
// After Drain: every pipeline is stopped.
struct Drained {};

using CoreAction = std::variant<SendToWorker, StartPipeline, EndPipeline, RequestAdmitted, RequestTokens,
                                RequestScores, RequestFinished, RequestFailed, Drained>;

}  // namespace exeunt::coordinator
