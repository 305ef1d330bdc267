// One TCP link of the control server, with framing, bounded writes and a deadline. Only control_server.cc
// uses it.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "transport/control_auth.h"
#include "transport/control_framing.h"

namespace exeunt::transport {

// Shared pointers of its pending operations and of the server keep it alive. One thread uses it. If
// `on_message` returns an error or the link fails, `on_closed` is called once from the io_context, unless
// Close was called before.
class ControlConnection : public std::enable_shared_from_this<ControlConnection> {
 public:
  struct Handlers {
    std::function<Status(proto::ToCoordinator)> on_message;
    std::function<void(const std::string& why)> on_closed;
  };

  ControlConnection(boost::asio::ip::tcp::socket socket, size_t max_queued_bytes, Duration handshake_timeout);
  void Start(Handlers handlers);
  // Ends the handshake. There is no deadline any longer, and messages may have the full size.
  void SetProved();
  void Write(const proto::ToWorker& message);
  // Sends the reason as a Shutdown, then closes. on_closed is not called.
  void Refuse(const std::string& reason);
  // Closes at once. on_closed is not called.
  void Close();

 private:
  void Read();
  void OnBytes(boost::system::error_code error, size_t size);
  void WriteQueued();
  void Fail(const std::string& why);

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer deadline_;
  const size_t max_queued_bytes_;
  const Duration handshake_timeout_;
  std::shared_ptr<const Handlers> handlers_;  // null after closing or refusing
  ControlFramer framer_{kMaxHandshakeMessageBytes};
  std::array<char, 65536> read_buffer_;
  std::string queued_;
  std::string writing_;
  bool refused_ = false;
};

}  // namespace exeunt::transport
