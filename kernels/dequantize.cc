#include "kernels/dequantize.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace exeunt {
namespace {

constexpr size_t kSuperBlock = 256;  // elements of a K-quant block

uint8_t Byte(const std::byte* p, size_t i) { return std::to_integer<uint8_t>(p[i]); }

uint16_t LoadU16(const std::byte* p) { return static_cast<uint16_t>(Byte(p, 0) | (Byte(p, 1) << 8)); }

float LoadHalf(const std::byte* p) { return HalfToFloat(LoadU16(p)); }

// Block: half d, int8 q[32].
void BlockQ8_0(const std::byte* block, float* dst) {
  const float d = LoadHalf(block);
  for (size_t i = 0; i < 32; ++i) dst[i] = d * static_cast<float>(static_cast<int8_t>(Byte(block + 2, i)));
}

// Block: half d, 16 bytes: low nibbles are elements 0..15, high nibbles 16..31.
void BlockQ4_0(const std::byte* block, float* dst) {
  const float d = LoadHalf(block);
  for (size_t i = 0; i < 16; ++i) {
    const int q = Byte(block + 2, i);
    dst[i] = d * static_cast<float>((q & 15) - 8);
    dst[i + 16] = d * static_cast<float>((q >> 4) - 8);
  }
}

// Block: half d, half m, 16 bytes as in Q4_0.
void BlockQ4_1(const std::byte* block, float* dst) {
  const float d = LoadHalf(block);
  const float m = LoadHalf(block + 2);
  for (size_t i = 0; i < 16; ++i) {
    const int q = Byte(block + 4, i);
    dst[i] = d * static_cast<float>(q & 15) + m;
    dst[i + 16] = d * static_cast<float>(q >> 4) + m;
  }
}

struct ScaleMin {
  int scale;
  int min;
};

// The 6-bit scale and minimum of sub-block j (0..7), from the 12 packed bytes of Q4_K and Q5_K.
ScaleMin UnpackScaleMin(const std::byte* packed, size_t j) {
  if (j < 4) return {Byte(packed, j) & 63, Byte(packed, j + 4) & 63};
  return {(Byte(packed, j + 4) & 15) | ((Byte(packed, j - 4) >> 6) << 4),
          (Byte(packed, j + 4) >> 4) | ((Byte(packed, j) >> 6) << 4)};
}

// Block: half d, half dmin, 12 bytes of scales, [Q5_K: 32 bytes of fifth bits,] 128 bytes of nibbles.
// Sub-blocks 2k and 2k+1 are the low and the high nibbles of the same 32 bytes.
void BlockQ45_K(const std::byte* block, const std::byte* fifth_bits, const std::byte* nibbles, float* dst) {
  const float d = LoadHalf(block);
  const float dmin = LoadHalf(block + 2);
  for (size_t j = 0; j < 8; ++j) {
    const ScaleMin s = UnpackScaleMin(block + 4, j);
    const float scale = d * static_cast<float>(s.scale);
    const float min = dmin * static_cast<float>(s.min);
    for (size_t i = 0; i < 32; ++i) {
      const int nibble = (Byte(nibbles, j / 2 * 32 + i) >> (j % 2 * 4)) & 15;
      const int fifth = fifth_bits == nullptr ? 0 : (Byte(fifth_bits, i) >> j) & 1;
      dst[j * 32 + i] = scale * static_cast<float>(nibble | (fifth << 4)) - min;
    }
  }
}

// Block: 128 bytes of low nibbles, 64 bytes of high bit pairs, int8 scales[16], half d. Each half of 128
// elements has 64 bytes of nibbles and 32 of pairs; its groups of 32 take nibble and pair as shown.
void BlockQ6_K(const std::byte* block, float* dst) {
  const std::byte* const scales = block + 192;
  const float d = LoadHalf(block + 208);
  for (size_t e = 0; e < kSuperBlock; ++e) {
    const size_t half = e / 128;
    const size_t group = e % 128 / 32;
    const size_t i = e % 32;
    const int low = (Byte(block, half * 64 + group % 2 * 32 + i) >> (group / 2 * 4)) & 15;
    const int high = (Byte(block + 128, half * 32 + i) >> (group * 2)) & 3;
    const float scale = d * static_cast<float>(static_cast<int8_t>(Byte(scales, e / 16)));
    dst[e] = scale * static_cast<float>((low | (high << 4)) - 32);
  }
}

void Block(DType type, const std::byte* block, float* dst) {
  switch (type) {
    case DType::kF32:
      std::memcpy(dst, block, sizeof(float));
      return;
    case DType::kF16:
      *dst = LoadHalf(block);
      return;
    case DType::kBF16:
      *dst = Bf16ToFloat(LoadU16(block));
      return;
    case DType::kQ8_0:
      BlockQ8_0(block, dst);
      return;
    case DType::kQ4_0:
      BlockQ4_0(block, dst);
      return;
    case DType::kQ4_1:
      BlockQ4_1(block, dst);
      return;
    case DType::kQ4_K:
      BlockQ45_K(block, nullptr, block + 16, dst);
      return;
    case DType::kQ5_K:
      BlockQ45_K(block, block + 16, block + 48, dst);
      return;
    case DType::kQ6_K:
      BlockQ6_K(block, dst);
      return;
  }
  CHECK_MSG(false, "dtype {}", static_cast<int>(type));
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
    return static_cast<uint16_t>(sign | 0x7C00);  // 65520 and more round to infinity
  if (magnitude < 0x38800000) {  // below 2^-14: subnormal; 0.5 has the ulp 2^-24, so the sum rounds for us
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
