#include "kernels/dequantize.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "kernels/block_codes.h"

namespace exeunt {
namespace {

uint16_t LoadU16(const std::byte* p) {
  uint16_t bits = 0;
  std::memcpy(&bits, p, sizeof(bits));
  return bits;
}

void Block(DType type, const std::byte* block, float* dst) {
  switch (type) {
    case DType::kF32:
      std::memcpy(dst, block, sizeof(float));
      return;
    case DType::kF16:
      *dst = HalfToFloat(LoadU16(block));
      return;
    case DType::kBF16:
      *dst = Bf16ToFloat(LoadU16(block));
      return;
    default:
      BlockValues(type, ReadBlock(type, block), dst);
  }
}

}  // namespace

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, which is exact
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) {  // infinity, or NaN made quiet
    const uint32_t quiet = fraction != 0 ? 0x400000 : 0;
    return std::bit_cast<float>(sign | 0x7F800000 | quiet | (fraction << 13));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return static_cast<uint16_t>(sign | 0x7E00 | ((magnitude >> 13) & 0x3FF));
  if (magnitude >= 0x477FF000)
    return static_cast<uint16_t>(sign | 0x7C00);  // 65520 and above round to infinity
  // Below 2^-14 the half is subnormal. 0.5 has the ulp 2^-24, so that the sum rounds correctly.
  if (magnitude < 0x38800000) {
    const float sum = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(sum) - 0x3F000000));
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000 + 0xFFF + odd) >> 13));
}

float Bf16ToFloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

void DequantizeRow(DType type, const std::byte* src, float* dst, size_t n) {
  const DTypeInfo info = Info(type);
  const auto elements = static_cast<size_t>(info.block_elements);
  CHECK_EQ(n % elements, size_t{0});
  for (size_t i = 0; i < n; i += elements, src += info.block_bytes) Block(type, src, dst + i);
}

}  // namespace exeunt
