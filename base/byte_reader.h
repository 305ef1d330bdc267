// ByteReader reads little-endian values from a span of untrusted bytes. A read past the end is an error that
// names what was read, its offset, its size and the limit. Not thread-safe. The bytes must outlive the
// reader.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace exeunt {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }

  template <typename T>
  Result<T> Read(std::string_view what) {
    static_assert(std::endian::native == std::endian::little);
    RETURN_IF_ERROR(Need(sizeof(T), what));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }

  // Reads a uint64 length of at most max_bytes, then that many bytes.
  Result<std::string> ReadString(uint64_t max_bytes, std::string_view what) {
    ASSIGN_OR_RETURN(const uint64_t size, Read<uint64_t>(what));
    if (size > max_bytes) {
      return DataLoss("offset {}: {} of {} bytes, the limit is {}", offset_ - sizeof(size), what, size,
                      max_bytes);
    }
    RETURN_IF_ERROR(Need(size, what));
    std::string text(reinterpret_cast<const char*>(bytes_.data() + offset_), size);
    offset_ += size;
    return text;
  }

 private:
  Status Need(uint64_t size, std::string_view what) const {
    if (size <= remaining()) return OkStatus();
    return DataLoss("offset {}: {} needs {} bytes, the limit is {}", offset_, what, size, bytes_.size());
  }

  std::span<const std::byte> bytes_;
  size_t offset_ = 0;
};

}  // namespace exeunt
