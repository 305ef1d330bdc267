// The events and actions of CoordinatorCore. They are plain data, so that a test or a simulator can drive it.
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

// A number that is never used twice and grows in order of arrival.
using RequestId = uint64_t;

// Returns the positions that a request takes, which are its prompt and its longest answer.
inline uint64_t Positions(const SequenceRequest& request) {
  return request.prompt.size() + static_cast<uint64_t>(request.max_tokens);
}

enum class PipelineState {
  kStarting,  // the job was started, and not every rank is connected
  kLoading,   // every rank is connected, and not every rank is ready
  kReady,     // every stage is loaded; requests are admitted after a first token
  kEnding,    // the job was told to end
  kBackoff,   // the job waits to be started again
  kStopped,   // drained
};
const char* PipelineStateName(PipelineState state);

enum class FailureKind {
  kContextLength,      // 400: prompt + max_tokens is over the model's context
  kTooLarge,           // 400: larger than the whole KV budget
  kQueueFull,          // 429
  kNoPipeline,         // 503: no pipeline is ready
  kPipelineRestarted,  // 503: the job of the request ended
  kQueueTimeout,       // 503: the wait for a place was too long
  kShuttingDown,       // 503
  kDeadline,           // 408: the request's own timeout has passed
  kRefused,            // 400: a worker cannot run the request
  kStageFailed,        // 500: a job of the request failed on a stage
};

// ---- events

struct RequestArrived {
  RequestId id;
  SequenceRequest request;
};
// The client is gone, and its request is of no use any longer. Idempotent. Unknown ids are ignored.
struct ClientGone {
  RequestId id;
};
// The answer is complete because of a stop string, and its rest is not needed. Idempotent. Unknown ids are
// ignored.
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
  std::string status;  // text such as "exit code 1" or "signal 9"
};
// Time has passed. It is sent at least every few hundred milliseconds.
struct Tick {};
// Accepts no new requests. Running requests may finish until the drain limit. Then everything is ended.
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
// Closes the job's links and ends its processes. PipelineExited must follow.
struct EndPipeline {
  uint32_t pipeline;
  uint64_t epoch;
  std::string why;
};
// The request has left the queue for a pipeline.
struct RequestAdmitted {
  RequestId id;
  uint32_t pipeline;
  uint32_t cached_tokens;  // prompt tokens whose K/V was in the prefix cache
};
// The next tokens, in order of position and without gaps. An end token is among them.
struct RequestTokens {
  RequestId id;
  std::vector<TokenEvent> tokens;
};
// The full model's scores of the prompt's tokens, if the request asks for them. All of them come before
// RequestFinished, unless the request was cancelled.
struct RequestScores {
  RequestId id;
  std::vector<PromptScore> scores;
};
// Ends an accepted request. kCancelled means that ClientGone or StopRequest came first.
struct RequestFinished {
  RequestId id;
  EndReason reason;
  uint32_t tokens;
};
// Ends or refuses a request with an error.
struct RequestFailed {
  RequestId id;
  FailureKind kind;
  std::string message;
};
// Follows Drain when every pipeline is stopped.
struct Drained {};

using CoreAction = std::variant<SendToWorker, StartPipeline, EndPipeline, RequestAdmitted, RequestTokens,
                                RequestScores, RequestFinished, RequestFailed, Drained>;

}  // namespace exeunt::coordinator
