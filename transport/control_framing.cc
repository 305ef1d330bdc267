#include "transport/control_framing.h"

#include <google/protobuf/message_lite.h>

#include "base/error.h"

namespace exeunt::transport {
namespace {

constexpr size_t kLengthBytes = 4;

}  // namespace

Result<std::string> FrameControlMessage(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size > kMaxControlMessageBytes) {
    return ResourceExhausted("control message of {} bytes is over the limit of {}", size,
                             kMaxControlMessageBytes);
  }
  std::string out;
  out.reserve(kLengthBytes + size);
  for (size_t i = 0; i < kLengthBytes; ++i) out.push_back(static_cast<char>(size >> (8 * i) & 0xFF));
  if (!message.AppendToString(&out)) return Internal("control message could not be serialised");
  return out;
}

void ControlFramer::Append(std::string_view bytes) {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Result<std::optional<std::string>> ControlFramer::Next() {
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  if (rest.size() < kLengthBytes) return std::optional<std::string>();
  size_t size = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) size |= size_t{static_cast<unsigned char>(rest[i])} << (8 * i);
  if (size > limit_bytes_) {
    return DataLoss("control message of {} bytes is over the limit of {}", size, limit_bytes_);
  }
  if (rest.size() - kLengthBytes < size) return std::optional<std::string>();
  begin_ += kLengthBytes + size;
  return std::optional<std::string>(rest.substr(kLengthBytes, size));
}

}  // namespace exeunt::transport
