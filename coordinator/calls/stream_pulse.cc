#include "coordinator/calls/stream_pulse.h"

#include <utility>

namespace exeunt::coordinator {

StreamPulse::StreamPulse(boost::asio::io_context* io, Duration interval, std::function<void()> beat)
    : timer_(*io), interval_(interval), beat_(std::move(beat)) {
  Wait(interval_);
}

void StreamPulse::Wait(Duration time) {
  timer_.expires_after(time);
  timer_.async_wait([this, alive = std::weak_ptr(alive_)](boost::system::error_code error) {
    if (error || alive.expired()) return;
    const Duration silent = MonotonicNow() - last_;
    if (silent < interval_) return Wait(interval_ - silent);
    Wrote();
    Wait(interval_);
    const auto beat = beat_;  // a copy, because it may end the stream and destroy this object
    beat();
  });
}

}  // namespace exeunt::coordinator
