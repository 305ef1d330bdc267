// Frames of the control protocol. A frame is a 4-byte little-endian length and that many bytes of a
// serialised message.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "transport/control_channel.h"

namespace exeunt::transport {

// The largest message that a peer may send before it has proved that it knows the secret.
inline constexpr size_t kMaxHandshakeMessageBytes = 4096;

// Returns the message with its length in front, or ResourceExhausted above kMaxControlMessageBytes.
Result<std::string> FrameControlMessage(const google::protobuf::MessageLite& message);

// ControlFramer cuts a stream of bytes into messages. One connection owns it. Not thread-safe. It holds at
// most one message of the limit and the bytes of one Append.
class ControlFramer {
 public:
  explicit ControlFramer(size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  void set_limit(size_t limit_bytes) { limit_bytes_ = limit_bytes; }
  void Append(std::string_view bytes);
  // Returns the next whole message, or nothing if more bytes are needed. It fails with DataLoss once a length
  // is over the limit. The connection cannot be used afterwards.
  Result<std::optional<std::string>> Next();

 private:
  size_t limit_bytes_;
  size_t begin_ = 0;
  std::string buffer_;
};

}  // namespace exeunt::transport
