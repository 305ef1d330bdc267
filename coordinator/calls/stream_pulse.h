// StreamPulse keeps a silent stream of server-sent events alive.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.h"

namespace exeunt::coordinator {

// A comment, which every reader of server-sent events skips.
inline constexpr std::string_view kStreamComment = ": waiting\n\n";

// Calls `beat` whenever nothing has been written for `interval`, because proxies close a silent connection.
// It runs on the io_context's thread. The io_context must outlive it. It stops when it is destroyed.
class StreamPulse {
 public:
  StreamPulse(boost::asio::io_context* io, Duration interval, std::function<void()> beat);
  // Call it after each write.
  void Wrote() { last_ = MonotonicNow(); }

 private:
  void Wait(Duration time);

  boost::asio::steady_timer timer_;
  const Duration interval_;
  const std::function<void()> beat_;
  TimePoint last_ = MonotonicNow();
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // expires with the pulse
};

}  // namespace exeunt::coordinator
