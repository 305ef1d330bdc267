#include "transport/loopback_channel.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/spare.h"

namespace exeunt::transport {

class LoopbackHub::Channel : public DataChannel {
 public:
  Channel(LoopbackHub* hub, size_t rank) : hub_(hub), rank_(rank) {}

  void SendNext(DataMessage* message) override {
    CHECK_LT(rank_ + 1, hub_->mailboxes_.size());
    DataMessage spare;
    {
      std::lock_guard lock(next().mutex);
      spare = TakeSpare(&next().spare_frames);
    }
    waiting_.push_back(std::exchange(*message, std::move(spare)));
    Progress();
  }

  void SendFirst(DataMessage* message) override {
    Mailbox& first = *hub_->mailboxes_.front();
    std::lock_guard lock(first.mutex);
    first.tokens.push_back(std::exchange(*message, TakeSpare(&first.spare_tokens)));
  }

  int TakenByNext() override {
    Progress();
    std::lock_guard lock(own().mutex);
    return std::exchange(own().taken, 0);
  }

  Result<bool> Receive(bool accept_frames, PayloadPool* pool, DataMessage* message) override {
    DataMessage frame;
    {
      std::lock_guard lock(own().mutex);
      if (!own().tokens.empty()) {
        pool->GiveBack(std::move(message->payload));
        own().spare_tokens.push_back(std::exchange(*message, own().tokens.Take()));
        return true;
      }
      if (!accept_frames || own().frames.empty()) return false;
      frame = own().frames.Take();
    }
    std::swap(message->header, frame.header);
    pool->GiveBack(std::exchange(message->payload, nullptr));
    if (frame.payload_bytes() > 0) {
      message->payload = pool->Take(frame.payload_bytes());
      std::memcpy(message->payload->data(), frame.payload->data(), frame.payload_bytes());
    }
    {
      std::lock_guard lock(own().mutex);
      own().spare_frames.push_back(std::move(frame));
    }
    Mailbox& sender = *hub_->mailboxes_[rank_ - 1];
    std::lock_guard lock(sender.mutex);
    ++sender.taken;
    return true;
  }

  // Frames leave in order, each when its payload is complete.
  void Progress() override {
    while (!waiting_.empty() && (waiting_.front().payload == nullptr || waiting_.front().payload->Ready())) {
      std::lock_guard lock(next().mutex);
      next().frames.push_back(waiting_.Take());
    }
  }

  bool Idle() const override {
    std::lock_guard lock(own().mutex);
    return waiting_.empty() && own().tokens.empty() && own().frames.empty();
  }

 private:
  Mailbox& own() const { return *hub_->mailboxes_[rank_]; }
  Mailbox& next() const { return *hub_->mailboxes_[rank_ + 1]; }

  LoopbackHub* hub_;
  size_t rank_;
  Fifo<DataMessage> waiting_;  // frames to the next rank whose payloads are not complete
};

LoopbackHub::LoopbackHub(int ranks) {
  CHECK_GE(ranks, 1);
  for (int i = 0; i < ranks; ++i) {
    mailboxes_.push_back(std::make_unique<Mailbox>());
    channels_.push_back(std::make_unique<Channel>(this, static_cast<size_t>(i)));
  }
}

LoopbackHub::~LoopbackHub() = default;

DataChannel* LoopbackHub::channel(int rank) const { return channels_[static_cast<size_t>(rank)].get(); }

}  // namespace exeunt::transport
