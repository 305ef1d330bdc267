#include "tools/bench/virtual_network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace exeunt::tools {

class VirtualNetwork::Channel : public transport::DataChannel {
 public:
  Channel(VirtualNetwork* network, size_t rank) : network_(*network), rank_(rank) {}

  void SendNext(transport::DataMessage* message) override {
    CHECK(message->payload == nullptr || message->payload->Ready());
    network_.inboxes_.at(rank_ + 1).frames.push_back({Arrival(), std::exchange(*message, {})});
  }
  void SendFirst(transport::DataMessage* message) override {
    network_.inboxes_.front().tokens.push_back({Arrival(), std::exchange(*message, {})});
  }
  int TakenByNext() override {
    int taken = 0;
    for (; !own().credits.empty() && own().credits.front() <= *network_.now_; ++taken) own().credits.Take();
    return taken;
  }
  Result<bool> Receive(bool accept_frames, transport::PayloadPool* pool,
                       transport::DataMessage* message) override {
    if (Take(&own().tokens, pool, message)) return true;
    if (!accept_frames || !Take(&own().frames, pool, message)) return false;
    network_.inboxes_[rank_ - 1].credits.push_back(Arrival());
    return true;
  }
  void Progress() override {}
  bool Idle() const override { return own().frames.empty() && own().tokens.empty(); }

 private:
  Inbox& own() const { return network_.inboxes_[rank_]; }
  TimePoint Arrival() const { return *network_.now_ + network_.delay_; }
  bool Take(Fifo<Message>* queue, transport::PayloadPool* pool, transport::DataMessage* message) const {
    if (queue->empty() || queue->front().arrival > *network_.now_) return false;
    pool->GiveBack(std::move(message->payload));
    *message = std::move(queue->Take().message);
    return true;
  }

  VirtualNetwork& network_;
  size_t rank_;
};

VirtualNetwork::VirtualNetwork(int ranks, Duration delay, const TimePoint* now)
    : delay_(delay), now_(now), inboxes_(static_cast<size_t>(ranks)) {
  for (size_t rank = 0; rank < inboxes_.size(); ++rank)
    channels_.push_back(std::make_unique<Channel>(this, rank));
}

VirtualNetwork::~VirtualNetwork() = default;

transport::DataChannel* VirtualNetwork::channel(int rank) const {
  return channels_[static_cast<size_t>(rank)].get();
}

std::optional<TimePoint> VirtualNetwork::NextArrival(int rank, bool accepts_frames) const {
  const Inbox& inbox = inboxes_[static_cast<size_t>(rank)];
  std::optional<TimePoint> next;
  const auto consider = [&next](TimePoint arrival) { next = next ? std::min(*next, arrival) : arrival; };
  if (!inbox.tokens.empty()) consider(inbox.tokens.front().arrival);
  if (!inbox.credits.empty()) consider(inbox.credits.front());
  if (accepts_frames && !inbox.frames.empty()) consider(inbox.frames.front().arrival);
  return next;
}

}  // namespace exeunt::tools
