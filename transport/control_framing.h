// Frames of the control protocol: a 4-byte little-endian length, then that many bytes of a serialised
// message.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "transport/control_channel.h"

namespace exeunt::transport {

// What a peer may send before it has proved that it knows the secret.
inline constexpr size_t kMaxHandshakeMessageBytes = 4096;

// The message with its length in front; ResourceExhausted above kMaxControlMessageBytes.
Result<std::string> FrameControlMessage(const google::protobuf::MessageLite& message);

// Cuts a stream of bytes into messages. Owned by one connection; not thread-safe. Memory: at most one message
// of the limit and what one Append brought.
class ControlFramer {
 public:
  explicit ControlFramer(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  void set_limit(size_t limit_bytes) { limit_bytes_ = limit_bytes; }
  void Append(std::string_view bytes);
  // The next whole message, nothing where more bytes are needed. DataLoss once a length is over the limit:
  // the connection is of no more use.
  Result<std::optional<std::string>> Next();

 private:
  size_t limit_bytes_;
  size_t begin_ = 0;
  std::string buffer_;
};

}  // namespace exeunt::transport
