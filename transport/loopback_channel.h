// LoopbackHub has the data channels of all stages of a pipeline in one process. A frame counts as taken when
// it is received. At that moment its payload is copied into the receiver's memory.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/fifo.h"
#include "transport/data_channel.h"

namespace exeunt::transport {

class LoopbackHub {
 public:
  explicit LoopbackHub(int ranks);
  ~LoopbackHub();
  // The hub owns the channel. Different threads may drive different ranks.
  DataChannel* channel(int rank) const;

 private:
  class Channel;
  struct Mailbox {
    std::mutex mutex;
    Fifo<DataMessage> frames;  // from the stage before
    Fifo<DataMessage> tokens;
    std::vector<DataMessage> spare_frames;  // memory that the receiver gave back
    std::vector<DataMessage> spare_tokens;
    int taken = 0;  // frames of this rank that the next rank took
  };
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;
  std::vector<std::unique_ptr<Channel>> channels_;
};

}  // namespace exeunt::transport
