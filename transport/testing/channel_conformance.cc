#include "transport/testing/channel_conformance.h"

#include <chrono>
#include <cstring>
#include <thread>

#include "base/check.h"

namespace exeunt::transport {
namespace {

constexpr auto kDeadline = std::chrono::seconds(120);

// A payload that is complete only after a few calls of Ready.
class LatePayload : public HostPayload {
 public:
  explicit LatePayload(int asked) : left_(asked) {}
  bool Ready() override { return left_-- <= 0; }

 private:
  int left_;
};

std::byte PayloadByte(uint64_t number, size_t i) { return static_cast<std::byte>(number * 31 + i); }

// Makes a message whose bytes are a function of its number, so that mixed-up buffers are detected.
DataMessage Make(uint64_t number, size_t payload_bytes) {
  DataMessage m;
  m.header.resize(8 + number % 57);
  std::memcpy(m.header.data(), &number, 8);
  for (size_t i = 8; i < m.header.size(); ++i) m.header[i] = static_cast<std::byte>(number + i);
  if (payload_bytes == 0) return m;
  m.payload = std::make_unique<LatePayload>(static_cast<int>(number % 3));
  m.payload->Resize(payload_bytes);
  for (size_t i = 0; i < payload_bytes; ++i) m.payload->data()[i] = PayloadByte(number, i);
  return m;
}

bool PayloadIsWhole(uint64_t number, const DataMessage& m) {
  for (size_t i = 0; i < m.payload_bytes(); ++i) {
    if (m.payload->data()[i] != PayloadByte(number, i)) return false;
  }
  return true;
}

uint64_t NumberOf(const DataMessage& m) {
  uint64_t number = 0;
  CHECK_GE(m.header.size(), sizeof number);
  std::memcpy(&number, m.header.data(), sizeof number);
  CHECK_MSG(m.header == Make(number, 0).header && PayloadIsWhole(number, m), "message {} arrived damaged",
            number);
  return number;
}

// Sizes around the eager limits, and an empty one.
size_t PayloadBytes(uint64_t number) {
  static constexpr size_t kSizes[] = {0, 1, 4096, 65536, 65537, 1 << 20, 3, 0};
  return kSizes[number % std::size(kSizes)];
}

class Deadline {
 public:
  void Check(const char* what) const {
    CHECK_MSG(std::chrono::steady_clock::now() < end_, "{}: nothing for {} s", what, kDeadline.count());
    std::this_thread::yield();
  }

 private:
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kDeadline;
};

// Frames arrive in order and complete, as often as credits allow. Every credit comes back.
void FramesInOrder(DataChannel* channel, int rank, int ranks) {
  constexpr uint64_t kFrames = 200;
  constexpr int kCredits = 4;
  const bool sends = rank + 1 < ranks;
  const bool receives = rank > 0;
  uint64_t sent = 0;
  uint64_t received = 0;
  int credits = kCredits;
  HostPayloadPool pool;
  const Deadline deadline;
  while ((sends && (sent < kFrames || credits < kCredits)) || (receives && received < kFrames)) {
    if (sends) credits += channel->TakenByNext();
    CHECK_LE(credits, kCredits);
    if (sends && sent < kFrames && credits > 0) {
      --credits;
      DataMessage frame = Make(sent, PayloadBytes(sent));
      channel->SendNext(&frame);
      ++sent;
    }
    DataMessage m;
    const auto got = channel->Receive(true, &pool, &m);
    CHECK(got.has_value());
    if (got.value()) {
      CHECK(receives);
      CHECK_EQ(NumberOf(m), received);
      CHECK_EQ(m.payload_bytes(), PayloadBytes(received));
      ++received;
    }
    deadline.Check("frames in order");
  }
}

// A frame that is not accepted stays where it is, and so does its credit.
void FramesWaitUntilAccepted(DataChannel* channel, int rank, int ranks,
                             const std::function<void()>& barrier) {
  if (ranks < 2) return;
  DataMessage m = Make(1, 100);
  HostPayloadPool pool;
  if (rank == 0) channel->SendNext(&m);
  barrier();
  for (int i = 0; i < 1000; ++i) {
    if (rank == 0) CHECK_EQ(channel->TakenByNext(), 0);
    if (rank == 1) CHECK(!channel->Receive(false, &pool, &m).value());
  }
  barrier();
  const Deadline deadline;
  while (rank == 0 && channel->TakenByNext() == 0) deadline.Check("credit");
  while (rank == 1 && !channel->Receive(true, &pool, &m).value()) deadline.Check("accepted frame");
}

// Tokens of all ranks reach rank 0 although it accepts no frames. A sender never waits.
void TokensReachRankZero(DataChannel* channel, int rank, int ranks) {
  constexpr uint64_t kTokens = 50;
  if (rank > 0) {
    for (uint64_t i = 0; i < kTokens; ++i) {
      DataMessage token = Make(static_cast<uint64_t>(rank) * 1000 + i, 0);
      channel->SendFirst(&token);
    }
    const Deadline deadline;
    while (!channel->Idle()) {
      channel->Progress();
      deadline.Check("token sends");
    }
    return;
  }
  std::vector<uint64_t> next(static_cast<size_t>(ranks), 0);
  HostPayloadPool pool;
  const Deadline deadline;
  for (uint64_t got = 0; got < kTokens * static_cast<uint64_t>(ranks - 1);) {
    DataMessage m;
    if (!channel->Receive(false, &pool, &m).value()) {
      deadline.Check("tokens");
      continue;
    }
    const uint64_t number = NumberOf(m);
    CHECK_EQ(number % 1000, next[number / 1000]++);  // in order for each sender
    ++got;
  }
}

}  // namespace

void RunChannelConformance(DataChannel* channel, int rank, int ranks, const std::function<void()>& barrier) {
  FramesInOrder(channel, rank, ranks);
  barrier();
  FramesWaitUntilAccepted(channel, rank, ranks, barrier);
  barrier();
  TokensReachRankZero(channel, rank, ranks);
  barrier();
  CHECK(channel->Idle());
}

}  // namespace exeunt::transport
