// One TCP link of the control server: framing, bounded writes, deadline. Private to control_server.cc.
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

// Lives in shared_ptrs held by its pending operations and by the server; one thread. `on_message` returning
// an error, or any failure of the link, calls `on_closed` once, from the io_context, unless Close came first.
class ControlConnection : public std::enable_shared_from_this<ControlConnection> {
 public:
  struct Handlers {
    std::function<Status(proto::ToCoordinator)> on_message;
    std::function<void(const std::string& why)> on_closed;
  };

  ControlConnection(boost::asio::ip::tcp::socket socket, size_t max_queued_bytes, Duration handshake_timeout);
  void Start(Handlers handlers);
  // The handshake is over: no deadline, messages up to the full limit.
  void SetProved();
  void Write(const proto::ToWorker& message);
  // Sends the reason as a Shutdown, then closes; on_closed is not called.
  void Refuse(const std::string& reason);
  // Closes at once; on_closed is not called.
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
  std::shared_ptr<const Handlers> handlers_;  // null once closed or refused
  ControlFramer framer_{kMaxHandshakeMessageBytes};
  std::array<char, 65536> read_buffer_;
  std::string queued_;
  std::string writing_;
  bool refused_ = false;
};

}  // namespace exeunt::transport
