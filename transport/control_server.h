// The coordinator's side of the control channel: accepts workers, checks who they are, moves messages.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "transport/control_auth.h"
#include "transport/control_channel.h"

namespace boost::asio {
class io_context;
}

namespace exeunt::transport {

struct ControlServerOptions {
  std::string host = "0.0.0.0";
  uint16_t port = 0;  // 0: any free one
  std::string secret;
  Duration handshake_timeout = std::chrono::seconds(5);
  size_t max_queued_bytes = size_t{32} << 20;  // unsent to one worker: above it the worker is dropped
  int max_handshakes = 256;                    // connections that have not yet proved themselves
};

// Called on the io_context's thread, never from inside a method of the server.
struct ControlServerHandlers {
  std::function<void(const WorkerId&)> connected;
  std::function<void(const WorkerId&, proto::ToCoordinator)> message;
  std::function<void(const WorkerId&, const std::string& why)> lost;
};

// One thread: every method is called on the io_context's thread (or before it runs). The io_context outlives
// the server. Refused with a reason: another protocol version, an unknown pipeline or rank, a stale epoch, a
// second connection of a rank, a wrong secret. A message over the limit, one that is malformed, or a worker
// that does not read ends its link.
class ControlServer {
 public:
  static Result<std::unique_ptr<ControlServer>> Listen(boost::asio::io_context* io,
                                                       const ControlServerOptions& options,
                                                       ControlServerHandlers handlers);
  virtual ~ControlServer() = default;
  virtual uint16_t port() const = 0;
  // From now on workers of this pipeline are accepted in this epoch only; links of an older one are closed
  // silently.
  virtual void Expect(uint32_t pipeline, uint64_t epoch, uint32_t ranks) = 0;
  // Closes the pipeline's links without calling `lost`, and accepts none until the next Expect.
  virtual void Drop(uint32_t pipeline) = 0;
  // Queues; a worker that is not connected gets nothing.
  virtual void Send(const WorkerId& to, const proto::ToWorker& message) = 0;
};

}  // namespace exeunt::transport
