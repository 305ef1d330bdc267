#include "tools/exits/state_relay.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/sized.h"

namespace exeunt::tools {
namespace {

constexpr auto kDeadline = std::chrono::minutes(10);
constexpr auto kPause = std::chrono::microseconds(100);
constexpr size_t kMostStatesBytes = transport::kMaxHeaderBytes / 2;  // limit of one message to rank 0

template <typename T>
void Append(std::vector<std::byte>* to, const T* values, size_t count) {
  const size_t at = to->size();
  to->resize(at + count * sizeof(T));  // insert() triggers gcc 12's bounds warning
  if (count > 0) std::memcpy(to->data() + at, values, count * sizeof(T));
}

}  // namespace

StateRelay::StateRelay(StateReader* reader, transport::DataChannel* channel, int rank, int ranks)
    : reader_(reader), channel_(channel), rank_(rank), ranks_(ranks) {}

// The number of answers under way lets every rank have one to run and one that arrives.
Status StateRelay::Run(size_t count, const std::function<Request(size_t)>& request,
                       std::span<const int> depths, const std::function<void(size_t, const States&)>& visit) {
  const size_t most = ranks_ == 1 ? 1 : 2 * Size(ranks_);
  size_t done = 0;
  TimePoint heard = MonotonicNow();
  while (done < count) {
    bool worked = false;
    if (done + pending_.size() < count && pending_.size() < most) {
      const size_t next = done + pending_.size();
      Send(next, request(next), depths);
      worked = true;
    }
    for (transport::DataMessage message;;) {
      ASSIGN_OR_RETURN(const bool received, channel_->Receive(false, &payloads_, &message));
      if (!received) break;
      RETURN_IF_ERROR(Take(message, done));
      worked = true;
    }
    channel_->TakenByNext();
    for (; !pending_.empty() && pending_.front().missing == 0; pending_.pop_front())
      visit(done++, pending_.front().at);
    if (worked) {
      heard = MonotonicNow();
    } else if (MonotonicNow() - heard > kDeadline) {
      return DeadlineExceeded("states of answer {}: nothing arrived for {} min", done, kDeadline.count());
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
  return OkStatus();
}

void StateRelay::Send(uint64_t number, const Request& request, std::span<const int> depths) {
  const int rows = static_cast<int>(request.ids.size());
  Pending& pending = pending_.emplace_back();
  pending.rows = rows - request.first;
  const size_t floats = Size(pending.rows) * Size(reader_->config().d_model);
  std::unique_ptr<transport::StatePayload> states = payloads_.Take(Size(rows) * row_bytes());
  auto* x = reinterpret_cast<float*>(states->data());
  reader_->Embed(request.ids, x);
  reader_->Run(
      x, rows, request.first, depths,
      [&](int depth, const float* at) { pending.at[depth].assign(at, at + floats); },
      [this] { channel_->Progress(); });
  for (const int depth : depths) {
    if (pending.at.contains(depth)) continue;
    pending.at[depth].resize(floats);
    pending.missing += floats;
  }
  if (depths.back() <= reader_->layers().end) return;
  PassOn({number, rows, request.first, static_cast<int32_t>(depths.size())}, depths, std::move(states));
}

void StateRelay::PassOn(const FrameHeader& header, std::span<const int> depths,
                        std::unique_ptr<transport::StatePayload> states) {
  if (last()) return;
  transport::DataMessage message;
  Append(&message.header, &header, 1);
  Append(&message.header, depths.data(), depths.size());
  message.payload = std::move(states);
  channel_->SendNext(&message);
}

Status StateRelay::Take(const transport::DataMessage& message, uint64_t first_pending) {
  StatesHeader header;
  if (message.header.size() < sizeof header) {
    return DataLoss("states of {} bytes, less than their header of {}", message.header.size(), sizeof header);
  }
  std::memcpy(&header, message.header.data(), sizeof header);
  const size_t bytes = message.header.size() - sizeof header;
  const uint64_t place = header.request - first_pending;  // wraps to a large number for an old request
  const auto known = place < pending_.size() ? pending_[place].at.find(header.depth) : States::iterator();
  if (place >= pending_.size() || known == pending_[place].at.end() || header.row < 0 ||
      bytes % row_bytes() != 0 ||
      Size(header.row) * row_bytes() + bytes > known->second.size() * sizeof(float)) {
    return DataLoss("{} bytes of states from row {} of answer {} after layer {}: nobody asked for them",
                    bytes, header.row, header.request, header.depth);
  }
  std::memcpy(reinterpret_cast<std::byte*>(known->second.data()) + Size(header.row) * row_bytes(),
              message.header.data() + sizeof header, bytes);
  pending_[place].missing -= std::min(pending_[place].missing, bytes / sizeof(float));
  return OkStatus();
}

void StateRelay::End() {
  PassOn({}, {}, nullptr);
  const TimePoint end = MonotonicNow() + kDeadline;
  while (!channel_->Idle() && MonotonicNow() < end) {
    channel_->Progress();
    std::this_thread::sleep_for(kPause);
  }
}

// There is no deadline, because rank 0 may fit for long between two passes. If rank 0 is gone, mpirun ends
// the job.
Status StateRelay::Serve() {
  for (bool end = false; !end;) {
    transport::DataMessage message;
    ASSIGN_OR_RETURN(const bool received, channel_->Receive(true, &payloads_, &message));
    channel_->TakenByNext();
    if (received) {
      RETURN_IF_ERROR(ServeFrame(std::move(message), &end));
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
  return OkStatus();
}

Status StateRelay::ServeFrame(transport::DataMessage message, bool* end) {
  FrameHeader header;
  std::vector<int> depths((message.header.size() - std::min(message.header.size(), sizeof header)) /
                          sizeof(int32_t));
  if (message.header.size() != sizeof header + depths.size() * sizeof(int32_t)) {
    return DataLoss("frame with a header of {} bytes: not {} and depths", message.header.size(),
                    sizeof header);
  }
  std::memcpy(&header, message.header.data(), sizeof header);
  if (!depths.empty()) std::memcpy(depths.data(), message.header.data() + sizeof header, depths.size() * 4);
  *end = header.rows == 0;
  if (*end) {
    End();
    return OkStatus();
  }
  if (header.rows < 0 || header.rows > reader_->max_tokens() || header.first < 0 ||
      header.first >= header.rows || depths.empty() || Size(header.depths) != depths.size() ||
      !std::is_sorted(depths.begin(), depths.end()) ||
      message.payload_bytes() != Size(header.rows) * row_bytes()) {
    return DataLoss("frame of {} bytes: {} rows of {} at most, the first of interest {}, {} depths",
                    message.payload_bytes(), header.rows, reader_->max_tokens(), header.first, header.depths);
  }
  reader_->Run(
      reinterpret_cast<float*>(message.payload->data()), header.rows, header.first, depths,
      [&](int depth, const float* states) {
        SendStates(header.request, depth, states, header.rows - header.first);
      },
      [this] { channel_->Progress(); });
  if (depths.back() > reader_->layers().end) PassOn(header, depths, std::move(message.payload));
  return OkStatus();
}

void StateRelay::SendStates(uint64_t number, int depth, const float* states, int rows) {
  const int most = std::max(1, static_cast<int>(kMostStatesBytes / row_bytes()));
  for (int row = 0; row < rows; row += most) {
    const int count = std::min(most, rows - row);
    const StatesHeader header{number, depth, row};
    transport::DataMessage message;
    Append(&message.header, &header, 1);
    Append(&message.header, states + Size(row) * Size(reader_->config().d_model),
           Size(count) * Size(reader_->config().d_model));
    channel_->SendFirst(&message);
  }
}

}  // namespace exeunt::tools
