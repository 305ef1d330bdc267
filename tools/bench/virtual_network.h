// VirtualNetwork has the data channels of a pipeline on a virtual clock. A frame, a token and a credit arrive
// after one delay. Messages are moved unchanged, so that payloads must be ready when they are sent. One
// thread drives all ranks.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/fifo.h"
#include "transport/data_channel.h"

namespace exeunt::tools {

class VirtualNetwork {
 public:
  // `now` must outlive the network.
  VirtualNetwork(int ranks, Duration delay, const TimePoint* now);
  ~VirtualNetwork();
  transport::DataChannel* channel(int rank) const;
  // Returns when the rank's next message or credit arrives, which may be in the past. Frames count if the
  // rank accepts them.
  std::optional<TimePoint> NextArrival(int rank, bool accepts_frames) const;

 private:
  class Channel;
  struct Message {
    TimePoint arrival;
    transport::DataMessage message;
  };
  struct Inbox {
    Fifo<Message> frames;
    Fifo<Message> tokens;
    Fifo<TimePoint> credits;  // arrival times of the credits
  };

  Duration delay_;
  const TimePoint* now_;
  std::vector<Inbox> inboxes_;
  std::vector<std::unique_ptr<Channel>> channels_;
};

}  // namespace exeunt::tools
