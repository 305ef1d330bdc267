#include "base/mmap.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/testing/temp_dir.h"

namespace exeunt {
namespace {

const size_t kPage = static_cast<size_t>(::sysconf(_SC_PAGESIZE));

class MmapTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) { return temp_ / name; }
  std::string Write(const std::string& name, const std::string& content) {
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }

  const TempDir temp_;
};

// Pages that this process has in memory: its own page table's (bit 63 is "present"), not the page cache's.
size_t ResidentPages(std::span<const std::byte> bytes) {
  const int pagemap = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  size_t resident = 0;
  for (size_t i = 0; i < bytes.size(); i += kPage) {
    uint64_t entry = 0;
    const auto at = static_cast<off_t>(reinterpret_cast<uintptr_t>(bytes.data() + i) / kPage * sizeof(entry));
    EXPECT_EQ(::pread(pagemap, &entry, sizeof(entry), at), static_cast<ssize_t>(sizeof(entry)));
    resident += entry >> 63;
  }
  ::close(pagemap);
  return resident;
}

TEST_F(MmapTest, HoldsTheFilesBytes) {
  const std::string path = Write("bytes", "stage directions");
  const auto file = MappedFile::Open(path);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const std::span<const std::byte> bytes = (*file)->bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "stage directions");
  EXPECT_EQ((*file)->path(), path);
}

TEST_F(MmapTest, AnEmptyFileHasNoBytes) {
  const auto file = MappedFile::Open(Write("empty", ""));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  EXPECT_TRUE((*file)->bytes().empty());
}

TEST_F(MmapTest, ErrorsNameThePath) {
  const auto missing = MappedFile::Open(Path("missing"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find(Path("missing")), std::string::npos);

  EXPECT_FALSE(MappedFile::Open(temp_.path()).has_value());

  const std::string fifo = Path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(MappedFile::Open(fifo).has_value());
}

TEST_F(MmapTest, ReleasePagesDropsWholePagesOnly) {
  const size_t pages = 64;
  const auto file = MappedFile::Open(Write("release", std::string(pages * kPage, 'x')));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const std::span<const std::byte> bytes = (*file)->bytes();
  const auto count = [&] {
    size_t n = 0;
    for (std::byte b : bytes) n += b == std::byte{'x'} ? 1 : 0;
    return n;
  };
  ASSERT_EQ(count(), bytes.size());
  ASSERT_EQ(ResidentPages(bytes), pages);

  ReleasePages(bytes.subspan(kPage / 2, kPage));  // no whole page inside
  EXPECT_EQ(ResidentPages(bytes), pages);
  ReleasePages(bytes.subspan(kPage / 2, 10 * kPage));  // nine whole ones
  EXPECT_EQ(ResidentPages(bytes), pages - 9);
  EXPECT_EQ(count(), bytes.size());  // the bytes come back
}

}  // namespace
}  // namespace exeunt
