// The data channel as one stage sees it: frames to the next stage (credits, in order) and tokens to stage 0
// (never waiting). A message is a header in host memory, which is opaque here and announces a payload, and
// the payload. It is received in two steps: the header arrives, then the payload into memory that the
// receiver's pool gives. Two implementations, one conformance suite: `loopback` (in one process) and `mpi`.
// Both move host memory. Thread contract: one thread drives a rank's channel; ranks of a loopback hub may be
// on different threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "transport/state_payload.h"

namespace exeunt::transport {

struct DataMessage {
  std::vector<std::byte> header;
  std::unique_ptr<StatePayload> payload;  // nullptr: none

  size_t payload_bytes() const { return payload == nullptr ? 0 : payload->size(); }
};

// No length from the wire is trusted above these.
inline constexpr size_t kMaxHeaderBytes = size_t{16} << 20;
inline constexpr size_t kMaxPayloadBytes = size_t{1} << 30;

class DataChannel {
 public:
  virtual ~DataChannel() = default;
  // Hands a frame to rank + 1, its payload as soon as that is Ready. The caller keeps to its credits; frames
  // arrive in order. What it leaves in `message` is memory to use again, a payload of an earlier frame
  // included.
  virtual void SendNext(DataMessage* message) = 0;
  // Hands a token message (no payload) to rank 0. Never waits.
  virtual void SendFirst(DataMessage* message) = 0;
  // Frames to the next stage that it has taken since the last call: credits that are back.
  virtual int TakenByNext() = 0;
  // One message that has arrived whole, token messages first; frames only where accept_frames. Its payload is
  // from `pool`. What `message` held is memory to use again. False: nothing is there. Errors (a length over
  // the limit) end the pipeline.
  virtual Result<bool> Receive(bool accept_frames, PayloadPool* pool, DataMessage* message) = 0;
  // Lets sends and receives advance; called between layers of a long step.
  virtual void Progress() = 0;
  // Nothing is on its way from or to this rank as far as it knows.
  virtual bool Idle() const = 0;
};

}  // namespace exeunt::transport
