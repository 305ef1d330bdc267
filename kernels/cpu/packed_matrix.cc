#include "kernels/cpu/packed_matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace exeunt::cpu {
namespace {

constexpr size_t kC = kGroupColumns;
constexpr size_t kNibbleBytes = 256;  // q[4][16][4]

size_t BlockBytes(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return kC * 4;
    case DType::kF16:
    case DType::kBF16:
      return kC * 2;
    case DType::kQ8_0:
      return kC * 2 + 512;
    case DType::kQ4_0:
      return kC * 2 + kNibbleBytes;
    case DType::kQ4_1:
      return kC * 4 + kNibbleBytes;
    case DType::kQ4_K:
      return kC * 4 + 8 * kC * 2 + 8 * kNibbleBytes;
    case DType::kQ5_K:
      return kC * 4 + 8 * kC * 2 + 8 * kNibbleBytes + 8 * 64;
    case DType::kQ6_K:
      return kC * 2 + 16 * kC + 8 * kNibbleBytes + 8 * 128;
  }
  return 0;
}

const uint8_t* U8(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

// Sets the nibble of k (0..31) of column c in q[4][16][4].
void PutNibble(uint8_t* q, size_t c, size_t k, unsigned value) {
  uint8_t& byte = q[(k % 16 / 4) * 64 + c * 4 + k % 4];
  byte = static_cast<uint8_t>(k < 16 ? (byte & 0xF0U) | value : (byte & 0x0FU) | (value << 4));
}

unsigned GetNibble(const uint8_t* q, size_t c, size_t k) {
  const unsigned byte = q[(k % 16 / 4) * 64 + c * 4 + k % 4];
  return k < 16 ? byte & 15U : byte >> 4;
}

// ggml keeps k and k + 16 of a block of 32 in one byte.
void PackNibbles(uint8_t* q, size_t c, const uint8_t* src) {
  for (size_t k = 0; k < 16; ++k) {
    PutNibble(q, c, k, src[k] & 15U);
    PutNibble(q, c, k + 16, static_cast<unsigned>(src[k]) >> 4);
  }
}

// The 6-bit scale and min of sub-block j of a Q4_K or Q5_K block (ggml's get_scale_min_k4).
void ScaleMin(const uint8_t* s, size_t j, uint8_t* scale, uint8_t* min) {
  if (j < 4) {
    *scale = s[j] & 63U;
    *min = s[j + 4] & 63U;
  } else {
    *scale = static_cast<uint8_t>((s[j + 4] & 15U) | ((s[j - 4] >> 2) & 48U));
    *min = static_cast<uint8_t>((s[j + 4] >> 4) | ((s[j] >> 2) & 48));
  }
}

// Offsets inside a packed block of a K-quant.
constexpr size_t kKScales = kC * 4;
constexpr size_t kKMins = kKScales + 8 * kC;
constexpr size_t kKNibbles = kKMins + 8 * kC;
constexpr size_t kKHigh = kKNibbles + 8 * kNibbleBytes;
constexpr size_t kQ6Scales = kC * 2;
constexpr size_t kQ6Nibbles = kQ6Scales + 16 * kC;
constexpr size_t kQ6High = kQ6Nibbles + 8 * kNibbleBytes;

void PackQ4KOrQ5K(bool five, uint8_t* dst, size_t c, const uint8_t* src) {
  std::memcpy(dst + 2 * c, src, 2);
  std::memcpy(dst + kC * 2 + 2 * c, src + 2, 2);
  const uint8_t* scales = src + 4;
  const uint8_t* high = five ? src + 16 : nullptr;
  const uint8_t* low = src + (five ? 48 : 16);
  for (size_t sub = 0; sub < 8; ++sub) {
    ScaleMin(scales, sub, dst + kKScales + sub * kC + c, dst + kKMins + sub * kC + c);
    for (size_t k = 0; k < 32; ++k) {
      const uint8_t byte = low[sub / 2 * 32 + k];
      PutNibble(dst + kKNibbles + sub * kNibbleBytes, c, k,
                static_cast<unsigned>(byte) >> (sub % 2 * 4) & 15U);
      if (five && ((high[k] >> sub) & 1U) != 0) {
        dst[kKHigh + sub * 64 + c * 4 + k % 4] |= static_cast<uint8_t>(1U << (k / 4));
      }
    }
  }
}

// The 6-bit value of element e of a ggml Q6_K block.
unsigned Q6Value(const uint8_t* src, size_t e) {
  const size_t half = e / 128;
  const size_t quarter = e % 128 / 32;
  const size_t l = e % 32;
  const uint8_t low = src[half * 64 + (quarter % 2) * 32 + l];
  const uint8_t high = src[128 + half * 32 + l];
  return (quarter < 2 ? low & 15U : static_cast<unsigned>(low) >> 4) |
         ((static_cast<unsigned>(high) >> (2 * quarter) & 3U) << 4);
}

void PackQ6K(uint8_t* dst, size_t c, const uint8_t* src) {
  std::memcpy(dst + 2 * c, src + 208, 2);
  for (size_t j = 0; j < 16; ++j) dst[kQ6Scales + j * kC + c] = src[192 + j];
  for (size_t e = 0; e < 256; ++e) {
    const size_t sub = e / 32;
    const size_t k = e % 32;
    const unsigned value = Q6Value(src, e);
    PutNibble(dst + kQ6Nibbles + sub * kNibbleBytes, c, k, value & 15U);
    dst[kQ6High + sub * 128 + (k / 16) * 64 + c * 4 + k % 4] |=
        static_cast<uint8_t>((value >> 4) << (2 * (k % 16 / 4)));
  }
}

// One k-block of column c from its stored form; dst is zeroed where bits are or-ed in.
void PackBlock(DType dtype, uint8_t* dst, size_t c, const uint8_t* src) {
  switch (dtype) {
    case DType::kF32:
      std::memcpy(dst + 4 * c, src, 4);
      return;
    case DType::kF16:
    case DType::kBF16:
      std::memcpy(dst + 2 * c, src, 2);
      return;
    case DType::kQ8_0:
      std::memcpy(dst + 2 * c, src, 2);
      for (size_t k = 0; k < 32; ++k) dst[kC * 2 + k / 4 * 64 + c * 4 + k % 4] = src[2 + k] ^ 0x80U;
      return;
    case DType::kQ4_0:
      std::memcpy(dst + 2 * c, src, 2);
      PackNibbles(dst + kC * 2, c, src + 2);
      return;
    case DType::kQ4_1:
      std::memcpy(dst + 2 * c, src, 2);
      std::memcpy(dst + kC * 2 + 2 * c, src + 2, 2);
      PackNibbles(dst + kC * 4, c, src + 4);
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      PackQ4KOrQ5K(dtype == DType::kQ5_K, dst, c, src);
      return;
    case DType::kQ6_K:
      PackQ6K(dst, c, src);
      return;
  }
}

float HalfAt(const uint8_t* p, size_t c) {
  uint16_t h = 0;
  std::memcpy(&h, p + 2 * c, 2);
  return HalfToFloat(h);
}

// One k-block of column c, as F32: the inverse of PackBlock.
void UnpackBlock(DType dtype, const uint8_t* p, size_t c, float* dst) {
  const float d = HalfAt(p, c);
  switch (dtype) {
    case DType::kF32:
      std::memcpy(dst, p + 4 * c, 4);
      return;
    case DType::kF16:
      *dst = d;
      return;
    case DType::kBF16: {
      uint16_t bits = 0;
      std::memcpy(&bits, p + 2 * c, 2);
      *dst = Bf16ToFloat(bits);
      return;
    }
    case DType::kQ8_0:
      for (size_t k = 0; k < 32; ++k) {
        dst[k] = d * static_cast<float>(p[kC * 2 + k / 4 * 64 + c * 4 + k % 4] - 128);
      }
      return;
    case DType::kQ4_0:
      for (size_t k = 0; k < 32; ++k) {
        dst[k] = d * static_cast<float>(static_cast<int>(GetNibble(p + kC * 2, c, k)) - 8);
      }
      return;
    case DType::kQ4_1:
      for (size_t k = 0; k < 32; ++k) {
        dst[k] = d * static_cast<float>(GetNibble(p + kC * 4, c, k)) + HalfAt(p + kC * 2, c);
      }
      return;
    case DType::kQ4_K:
    case DType::kQ5_K:
      for (size_t e = 0; e < 256; ++e) {
        const size_t sub = e / 32;
        const size_t k = e % 32;
        unsigned q = GetNibble(p + kKNibbles + sub * kNibbleBytes, c, k);
        if (dtype == DType::kQ5_K) q |= ((p[kKHigh + sub * 64 + c * 4 + k % 4] >> (k / 4)) & 1U) << 4;
        const float scale = d * static_cast<float>(p[kKScales + sub * kC + c]);
        const float min = HalfAt(p + kC * 2, c) * static_cast<float>(p[kKMins + sub * kC + c]);
        dst[e] = scale * static_cast<float>(q) - min;
      }
      return;
    case DType::kQ6_K:
      for (size_t e = 0; e < 256; ++e) {
        const size_t sub = e / 32;
        const size_t k = e % 32;
        const unsigned high = p[kQ6High + sub * 128 + (k / 16) * 64 + c * 4 + k % 4] >> (2 * (k % 16 / 4));
        const unsigned q = GetNibble(p + kQ6Nibbles + sub * kNibbleBytes, c, k) | ((high & 3U) << 4);
        const auto scale = static_cast<int8_t>(p[kQ6Scales + e / 16 * kC + c]);
        dst[e] = d * static_cast<float>(scale) * static_cast<float>(static_cast<int>(q) - 32);
      }
      return;
  }
}

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
    // Zeroed, and resident only where it is touched; aligned by hand for huge pages.
    void* mapped = mmap(nullptr, size_ + kHugePage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK_MSG(mapped != MAP_FAILED, "cannot map {} bytes for weights", size_);
    block_.reset(static_cast<uint8_t*>(mapped), Unmap{size_ + kHugePage});
    used_ = RoundUp(reinterpret_cast<uintptr_t>(mapped), kHugePage) - reinterpret_cast<uintptr_t>(mapped);
    size_ += kHugePage;
    madvise(block_.get() + used_, size_ - used_, MADV_HUGEPAGE);  // advice: without it the kernels are slower
  }
  uint8_t* at = block_.get() + used_;
  used_ += bytes;
  return {block_, at};
}

PackedMatrix::PackedMatrix(DType dtype, int n, int k, PackedArena* arena) : dtype_(dtype), n_(n), k_(k) {
  CHECK_EQ(k % Info(dtype).block_elements, 0);
  block_bytes_ = BlockBytes(dtype);
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
    for (size_t b = 0; b < blocks; ++b) PackBlock(dtype_, dst + b * block_bytes_, c, U8(src) + b * stored);
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

}  // namespace exeunt::cpu
