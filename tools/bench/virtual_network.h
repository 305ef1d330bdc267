// VirtualNetwork: the data channels of a pipeline on a virtual clock. A frame, a token and a credit arrive after one delay.
// Messages are moved as they are, so payloads must be ready when they are sent. One thread drives all ranks.
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
  // `now` outlives the network.
  VirtualNetwork(int ranks, Duration delay, const TimePoint* now);
  ~VirtualNetwork();
  transport::DataChannel* channel(int rank) const;
  // When the rank's next message or credit arrives, which may be in the past; frames count where it accepts them.
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
    Fifo<TimePoint> credits;  // when they are back
  };

  Duration delay_;
  const TimePoint* now_;
  std::vector<Inbox> inboxes_;
  std::vector<std::unique_ptr<Channel>> channels_;
};

}  // namespace exeunt::tools
