#include "kernels/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace exeunt {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kBlockBytes = size_t{64} << 20;
constexpr size_t kAlign = 64;

constexpr size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }

struct Unmap {
  size_t bytes;
  void operator()(uint8_t* p) const { munmap(p, bytes); }
};

}  // namespace

std::shared_ptr<uint8_t> PackedArena::Allocate(size_t bytes) {
  bytes = RoundUp(bytes, kAlign);
  if (block_ == nullptr || used_ + bytes > size_) {
    size_ = RoundUp(std::max(bytes, kBlockBytes), kHugePage);
    // The memory is zeroed and becomes resident only where it is touched. It is aligned by hand for huge
    // pages.
    void* mapped = mmap(nullptr, size_ + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK_MSG(mapped != MAP_FAILED, "cannot map {} bytes for weights", size_);
    block_.reset(static_cast<uint8_t*>(mapped), Unmap{size_ + kHugePage});
    used_ = RoundUp(reinterpret_cast<uintptr_t>(mapped), kHugePage) - reinterpret_cast<uintptr_t>(mapped);
    size_ += kHugePage;
    madvise(block_.get() + used_, size_ - used_, MADV_HUGEPAGE);  // advice: without it kernels are slower
  }
  uint8_t* at = block_.get() + used_;
  used_ += bytes;
  return {block_, at};
}

PackedMatrix::PackedMatrix(DType dtype, int n, int k, PackedArena* arena) : dtype_(dtype), n_(n), k_(k) {
  CHECK_EQ(k % Info(dtype).block_elements, 0);
  block_bytes_ = PackedBlockBytes(dtype);
  group_bytes_ = block_bytes_ * static_cast<size_t>(k / Info(dtype).block_elements);
  data_ = arena->Allocate(bytes());
}

void PackedMatrix::PackRows(int first, int count, const std::byte* src) {
  CHECK_LE(first + count, n_);
  const size_t row_bytes = RowBytes(dtype_, static_cast<size_t>(k_));
  const size_t stored = static_cast<size_t>(Info(dtype_).block_bytes);
  const size_t blocks = group_bytes_ / block_bytes_;
  for (int row = first; row < first + count; ++row, src += row_bytes) {
    uint8_t* dst = data_.get() + group_bytes_ * static_cast<size_t>(row / kGroupColumns);
    const auto c = static_cast<size_t>(row % kGroupColumns);
    for (size_t b = 0; b < blocks; ++b) PackBlock(dtype_, src + b * stored, c, dst + b * block_bytes_);
  }
}

void PackedMatrix::UnpackRow(int row, float* dst) const {
  CHECK_LT(row, n_);
  const uint8_t* src = group(row / kGroupColumns);
  const auto step = static_cast<size_t>(Info(dtype_).block_elements);
  for (size_t b = 0; b < group_bytes_ / block_bytes_; ++b) {
    UnpackBlock(dtype_, src + b * block_bytes_, static_cast<size_t>(row % kGroupColumns), dst + b * step);
  }
}

}  // namespace exeunt
