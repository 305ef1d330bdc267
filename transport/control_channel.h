// The control channel as a worker sees it: messages to and from the coordinator, out of band of the data
// path. Two implementations, one conformance suite: `loopback` (in one process) and `asio` (TCP, its own I/O
// thread).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "transport/control.pb.h"
#include "transport/control_limits.h"

namespace exeunt::transport {

inline constexpr uint32_t kControlProtocolVersion = 5;

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

}  // namespace exeunt::transport
