// The control channel as a worker sees it. Messages to and from the coordinator do not use the data path.
// There are two implementations and one conformance suite: `loopback` (in one process) and `asio` (TCP, its
// own I/O thread).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "transport/control.pb.h"
#include "transport/control_limits.h"

namespace exeunt::transport {

inline constexpr uint32_t kControlProtocolVersion = 5;

// Any thread may call every method. Only one thread at a time may call Poll and Wait.
class ControlChannel {
 public:
  virtual ~ControlChannel() = default;
  // Queues a message. It never blocks. If the link is lost, the message is dropped.
  virtual void Send(proto::ToCoordinator message) = 0;
  // Appends the messages that have arrived, in order. It never blocks.
  virtual void Poll(std::vector<proto::ToWorker>* out) = 0;
  // Blocks until there is a message to Poll, the link is lost, or `limit` has passed. Returns whether there
  // is a message.
  virtual bool Wait(Duration limit) = 0;
  // Returns false once the link is lost. A lost link never comes back, because the pipeline is disposable.
  virtual bool connected() const = 0;
};

}  // namespace exeunt::transport
