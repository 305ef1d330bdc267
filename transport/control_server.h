// The coordinator's side of the control channel. It accepts workers, checks their identity and moves
// messages.
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
  uint16_t port = 0;  // 0 for any free port
  std::string secret;
  Duration handshake_timeout = std::chrono::seconds(5);
  size_t max_queued_bytes = size_t{32} << 20;  // unsent bytes above which a worker is dropped
  int max_handshakes = 256;                    // limit of connections that have not yet proved themselves
};

// The handlers are called on the io_context's thread, never from inside a method of the server.
struct ControlServerHandlers {
  std::function<void(const WorkerId&)> connected;
  std::function<void(const WorkerId&, proto::ToCoordinator)> message;
  std::function<void(const WorkerId&, const std::string& why)> lost;
};

// One thread: every method is called on the io_context's thread, or before it runs. The io_context must
// outlive the server. The server refuses another protocol version, an unknown pipeline or rank, a stale
// epoch, a second connection of a rank and a wrong secret, and sends the reason. A link ends if a message is
// malformed or over the limit, or if the worker does not read.
class ControlServer {
 public:
  static Result<std::unique_ptr<ControlServer>> Listen(boost::asio::io_context* io,
                                                       const ControlServerOptions& options,
                                                       ControlServerHandlers handlers);
  virtual ~ControlServer() = default;
  virtual uint16_t port() const = 0;
  // Accepts workers of this pipeline only in this epoch from now on. Links of an older epoch are closed
  // silently.
  virtual void Expect(uint32_t pipeline, uint64_t epoch, uint32_t ranks) = 0;
  // Closes the pipeline's links without calling `lost`, and accepts none until the next Expect.
  virtual void Drop(uint32_t pipeline) = 0;
  // Queues a message. It is dropped if the worker is not connected.
  virtual void Send(const WorkerId& to, const proto::ToWorker& message) = 0;
};

}  // namespace exeunt::transport
