// MappedFile: a whole file mapped read-only; pages are read when they are touched. Immutable and thread-safe.
// The file must not be truncated while it is mapped: the kernel answers a read past its new end with SIGBUS.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"

namespace exeunt {

class MappedFile {
 public:
  // Fails, naming the path, when it is not a regular file that can be read. An empty file has empty bytes().
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // Valid as long as this object.
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::string path_;
  std::span<const std::byte> bytes_;
};

// Drops from memory the whole pages inside `bytes`, a part of a MappedFile; pages that it shares with its
// neighbours stay. Reading it again is correct, and fetches the pages again.
void ReleasePages(std::span<const std::byte> bytes);

// The whole of a regular file of at most `limit` bytes.
Result<std::string> ReadTextFile(const std::string& path, size_t limit);
// No value where there is no such file.
Result<std::optional<std::string>> ReadOptionalTextFile(const std::string& path, size_t limit);

}  // namespace exeunt
