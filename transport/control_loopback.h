// ControlChannel in one process: the worker's end and the coordinator's end share two queues.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "transport/control_channel.h"

namespace exeunt::transport {

struct ControlLoopbackState;

// The coordinator's end. Thread contract as ControlChannel's. Destroying either end loses the link for the
// other.
class ControlLoopback {
 public:
  static std::pair<std::unique_ptr<ControlLoopback>, std::unique_ptr<ControlChannel>> Make();
  ~ControlLoopback();

  void Send(proto::ToWorker message);
  // Appends what the worker has sent, in order; never blocks. Still gives what was sent before the link was
  // lost.
  void Poll(std::vector<proto::ToCoordinator>* out);
  // As ControlChannel::Wait.
  bool Wait(Duration limit);
  bool connected() const;

 private:
  explicit ControlLoopback(std::shared_ptr<ControlLoopbackState> state);
  std::shared_ptr<ControlLoopbackState> state_;
};

}  // namespace exeunt::transport
