// The ControlChannel in one process. The worker's end and the coordinator's end share two queues.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "transport/control_channel.h"

namespace exeunt::transport {

struct ControlLoopbackState;

// The coordinator's end. Its thread contract is that of ControlChannel. If either end is destroyed, the other
// loses the link.
class ControlLoopback {
 public:
  static std::pair<std::unique_ptr<ControlLoopback>, std::unique_ptr<ControlChannel>> Make();
  ~ControlLoopback();

  void Send(proto::ToWorker message);
  // Appends the worker's messages in order. It never blocks. Messages that were sent before the link was lost
  // still arrive.
  void Poll(std::vector<proto::ToCoordinator>* out);
  // Like ControlChannel::Wait.
  bool Wait(Duration limit);
  bool connected() const;

 private:
  explicit ControlLoopback(std::shared_ptr<ControlLoopbackState> state);
  std::shared_ptr<ControlLoopbackState> state_;
};

}  // namespace exeunt::transport
