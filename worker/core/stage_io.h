// The events and the actions of a stage, as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "backend/executor.h"
#include "base/result.h"
#include "request/end_reason.h"
#include "worker/core/frame.h"
#include "worker/core/sequence_spec.h"

namespace exeunt::worker {

// ---- events
struct FrameArrived {
  Frame frame;
  size_t payload = 0;  // the driver's name for the payload with the frame's states
};
struct FrameTaken {};  // a credit is back: the next stage took one frame
struct AdmitSequences {
  std::vector<SequenceSpec> specs;
};
struct CancelSequences {
  std::vector<uint64_t> sequences;
};
struct EvictPrefixes {  // for sequences that are closed on every stage
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
  std::vector<int32_t> slots;  // slots of the states of the frame's rows, free once gathered
};
struct LoadStates {  // the payload's row i goes to slots[i]; -1: the row is dropped
  size_t payload = 0;
  std::vector<int32_t> slots;
};
struct GrowSlots {
  int count = 0;
};
struct SubmitJob {
  Job job;
};
struct ForgetSequence {  // the executor may free what it keeps for it
  uint64_t sequence = 0;
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
struct PromptScoreOut {  // the full model's score of a token of the prompt
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int32_t position = 0;
  int32_t token = -1;  // likeliest token at the position
  float logprob = 0.0F;
  std::vector<std::pair<int32_t, float>> top;  // likeliest tokens, if asked for
};
struct SequenceFinishedOut {
  uint64_t sequence = 0;
  uint32_t generation = 0;
  int tokens = 0;
  EndReason reason = EndReason::kStop;
  bool retained = false;  // whether the K/V of SequenceSpec::retain_tokens stays until it is evicted
};
struct SequenceClosedOut {
  uint64_t sequence = 0;
};
// A job of the sequence failed here. No token of it follows from this stage or a later one. It must be
// cancelled.
struct SequenceFailedOut {
  uint64_t sequence = 0;
  std::string reason;
};
struct StageFailed {  // a peer broke the protocol or the device is lost: the pipeline must be ended
  Error error;
};
using StageAction =
    std::variant<SendFrame, LoadStates, GrowSlots, SubmitJob, ForgetSequence, TokenOut, PromptScoreOut,
                 SequenceFinishedOut, SequenceClosedOut, SequenceFailedOut, StageFailed>;

}  // namespace exeunt::worker
