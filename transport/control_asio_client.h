// The ControlChannel over TCP with which a worker reaches the coordinator.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "transport/control_auth.h"
#include "transport/control_channel.h"

namespace exeunt::transport {

struct ControlClientOptions {
  std::string host;
  uint16_t port = 0;
  WorkerId id;
  uint32_t ranks = 1;
  std::string secret;
  Duration handshake_timeout = std::chrono::seconds(10);  // to resolve, connect and prove
  Duration heartbeat_every = std::chrono::milliseconds(500);
  // The I/O thread reads both for each heartbeat. Both must outlive the channel. Null means 0 and false.
  const std::atomic<uint64_t>* progress = nullptr;
  const std::atomic<bool>* busy = nullptr;
  size_t max_queued_bytes = size_t{64} << 20;  // limit of unsent bytes, above which the link counts as lost
};

// Connects and proves the secret both ways. Returns when this side's proof has been sent to the coordinator.
// The first message to Poll is then the Plan, or a Shutdown with the reason for a refusal. An I/O thread
// reads, writes and sends heartbeats, also while the worker computes. Destroying the channel sends queued
// messages for at most 1 s. Errors are Unavailable (no connection), DeadlineExceeded and InvalidArgument
// (refused, or a wrong proof of the coordinator).
Result<std::unique_ptr<ControlChannel>> ConnectControl(const ControlClientOptions& options);

}  // namespace exeunt::transport
