// The control channel as a worker sees it: messages to and from the coordinator, out of band of the data
// path. Two implementations, one conformance suite: `loopback` (in one process) and `asio` (TCP, its own I/O
// thread).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "transport/control.pb.h"

namespace exeunt {

inline constexpr uint32_t kControlProtocolVersion = 5;
// A message above this ends the connection: no length from the wire is trusted.
inline constexpr size_t kMaxControlMessageBytes = size_t{16} << 20;
// The longest prompt that a message takes, with room for the rest of its sequence: a token has at most 5
// bytes.
inline constexpr size_t kMaxPromptTokens = size_t{3} << 20;

// Thread contract: every method may be called from any thread; Poll and Wait from one thread at a time.
class ControlChannel {
 public:
  virtual ~ControlChannel() = default;
  // Queues a message; never blocks. Dropped when the link is lost.
  virtual void Send(proto::ToCoordinator message) = 0;
  // Appends what has arrived, in order; never blocks.
  virtual void Poll(std::vector<proto::ToWorker>* out) = 0;
  // Blocks until a message is there to Poll, the link is lost, or `limit` has passed. True: there is
  // something to Poll.
  virtual bool Wait(Duration limit) = 0;
  // False once the link is lost; it never comes back (the pipeline is disposable).
  virtual bool connected() const = 0;
};

}  // namespace exeunt
