// MappedFile maps a whole file read-only. The kernel reads a page when it is first touched. Immutable and
// thread-safe. The file must not be truncated while it is mapped, because a read past its new end raises
// SIGBUS.
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
  // Fails if the path is not a regular file that can be read. The error names the path. For an empty file
  // bytes() is empty.
  static Result<std::shared_ptr<const MappedFile>> Open(const std::string& path);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // The bytes are valid during the life of this object.
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::string path_;
  std::span<const std::byte> bytes_;
};

// Drops the whole pages inside `bytes` from memory. `bytes` is a part of a MappedFile. Pages that it shares
// with its neighbours stay. A later read is correct and fetches the pages again.
void ReleasePages(std::span<const std::byte> bytes);

// Reads a whole regular file of at most `limit` bytes.
Result<std::string> ReadTextFile(const std::string& path, size_t limit);
// Reads a file in the same way. Returns no value if there is no such file.
Result<std::optional<std::string>> ReadOptionalTextFile(const std::string& path, size_t limit);

}  // namespace exeunt
