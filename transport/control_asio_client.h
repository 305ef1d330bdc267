// ControlChannel over TCP: what a worker uses to reach the coordinator.
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
  Duration handshake_timeout = std::chrono::seconds(10);  // to resolve, connect and prove, together
  Duration heartbeat_every = std::chrono::milliseconds(500);
  // Read by the I/O thread for each heartbeat; both outlive the channel. Null: 0 and false.
  const std::atomic<uint64_t>* progress = nullptr;
  const std::atomic<bool>* busy = nullptr;
  size_t max_queued_bytes = size_t{64} << 20;  // unsent: above it the link counts as lost
};

// Connects, proves the secret both ways, and returns once the coordinator was sent this side's proof: the
// first message to Poll is the Plan, or a Shutdown with the reason for a refusal. An I/O thread of its own
// reads, writes and sends heartbeats (so they go on while the worker computes). Destroying the channel sends
// what is queued (1 s at most). Errors: Unavailable (no connection), DeadlineExceeded, InvalidArgument
// (refused, or the coordinator's proof is wrong).
Result<std::unique_ptr<ControlChannel>> ConnectControl(const ControlClientOptions& options);

}  // namespace exeunt::transport
