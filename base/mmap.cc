#include "base/mmap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace exeunt {
namespace {

Error SystemError(const std::string& path, const char* what, int error) {
  const std::string message = fmt::format("{}: {}: {}", path, what, std::strerror(error));
  return {error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kUnavailable, message};
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  // Without O_NONBLOCK, opening a FIFO would wait for its writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return SystemError(path, "open", errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) return SystemError(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return InvalidArgument("{}: not a regular file", path);

  const auto size = static_cast<size_t>(info.st_size);
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile(path, {}));
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (address == MAP_FAILED) return SystemError(path, "mmap", errno);
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, std::span(static_cast<const std::byte*>(address), size)));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void ReleasePages(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + bytes.size()) / page * page;
  if (first >= last) return;
  // This is advice only. The pages stay if the kernel refuses, as it does for locked pages.
  (void)::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

Result<std::string> ReadTextFile(const std::string& path, size_t limit) {
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  const std::span<const std::byte> bytes = file->bytes();
  if (bytes.size() > limit) return DataLoss("{}: {} bytes, the limit is {}", path, bytes.size(), limit);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::optional<std::string>> ReadOptionalTextFile(const std::string& path, size_t limit) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::optional<std::string>();
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(path, limit));
  return std::optional(std::move(text));
}

}  // namespace exeunt
