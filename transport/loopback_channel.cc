#include "transport/loopback_channel.h"

#include <utility>

#include "base/check.h"
#include "base/spare.h"

namespace exeunt {

class LoopbackHub::Channel : public DataChannel {
 public:
  Channel(LoopbackHub* hub, size_t rank) : hub_(hub), rank_(rank) {}

  void SendNext(DataMessage* message) override {
    CHECK_LT(rank_ + 1, hub_->mailboxes_.size());
    Mailbox& next = *hub_->mailboxes_[rank_ + 1];
    std::lock_guard lock(next.mutex);
    next.frames.push_back(std::exchange(*message, TakeSpare(&next.spare_frames)));
  }

  void SendFirst(DataMessage* message) override {
    Mailbox& first = *hub_->mailboxes_.front();
    std::lock_guard lock(first.mutex);
    first.tokens.push_back(std::exchange(*message, TakeSpare(&first.spare_tokens)));
  }

  int TakenByNext() override {
    std::lock_guard lock(own().mutex);
    return std::exchange(own().taken, 0);
  }

  Result<bool> Receive(bool accept_frames, DataMessage* message) override {
    {
      std::lock_guard lock(own().mutex);
      if (!own().tokens.empty()) {
        own().spare_tokens.push_back(std::exchange(*message, own().tokens.Take()));
        return true;
      }
      if (!accept_frames || own().frames.empty()) return false;
      own().spare_frames.push_back(std::exchange(*message, own().frames.Take()));
    }
    Mailbox& sender = *hub_->mailboxes_[rank_ - 1];
    std::lock_guard lock(sender.mutex);
    ++sender.taken;
    return true;
  }

  void Progress() override {}

  bool Idle() const override {
    std::lock_guard lock(own().mutex);
    return own().tokens.empty() && own().frames.empty();
  }

 private:
  Mailbox& own() const { return *hub_->mailboxes_[rank_]; }

  LoopbackHub* hub_;
  size_t rank_;
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

}  // namespace exeunt
