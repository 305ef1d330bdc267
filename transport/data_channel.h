// The data channel as one stage sees it. Frames go to the next stage in order and with credits. Tokens go to
// stage 0 and never wait. A message is a header in host memory and a payload. The header is opaque here and
// announces the payload. A message is received in two steps. First the header arrives, then the payload
// arrives in memory from the receiver's pool. There are two implementations and one conformance suite:
// `loopback` (in one process) and `mpi`. Both move host memory. One thread drives a rank's channel. Ranks of
// a loopback hub may be on different threads.
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
  std::unique_ptr<StatePayload> payload;  // nullptr for none

  size_t payload_bytes() const { return payload == nullptr ? 0 : payload->size(); }
};

// The largest sizes. No length from the wire is trusted above them.
inline constexpr size_t kMaxHeaderBytes = size_t{16} << 20;
inline constexpr size_t kMaxPayloadBytes = size_t{1} << 30;

class DataChannel {
 public:
  virtual ~DataChannel() = default;
  // Sends a frame to rank + 1, with its payload as soon as that is Ready. The caller must have a credit.
  // Frames arrive in order. Afterwards `message` holds memory to reuse, such as a payload of an earlier
  // frame.
  virtual void SendNext(DataMessage* message) = 0;
  // Sends a token message without payload to rank 0. It never waits.
  virtual void SendFirst(DataMessage* message) = 0;
  // Returns the number of frames that the next stage has taken since the last call. Their credits are back.
  virtual int TakenByNext() = 0;
  // Receives one message that has arrived completely, token messages first and frames only if accept_frames.
  // Its payload comes from `pool`. The memory that `message` held is reused. Returns false if there is no
  // message. An error, such as a length over the limit, ends the pipeline.
  virtual Result<bool> Receive(bool accept_frames, PayloadPool* pool, DataMessage* message) = 0;
  // Advances sends and receives. It is called between layers of a long step.
  virtual void Progress() = 0;
  // Returns whether no message from or to this rank is under way, as far as the rank knows.
  virtual bool Idle() const = 0;
};

}  // namespace exeunt::transport
