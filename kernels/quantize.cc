#include "kernels/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

std::byte ToByte(int value) { return static_cast<std::byte>(value & 0xFF); }

void StoreU16(uint16_t value, std::byte* out) { std::memcpy(out, &value, sizeof(value)); }

// Stores `scale` as a half and returns what a reader will see.
float StoreScale(float scale, std::byte* out) {
  const uint16_t half = FloatToHalf(scale);
  StoreU16(half, out);
  return HalfToFloat(half);
}

int Round(float value, float scale, int low, int high) {
  const float q = scale == 0 ? 0.0F : std::nearbyint(value / scale);
  return static_cast<int>(std::clamp(q, static_cast<float>(low), static_cast<float>(high)));
}

float LargestMagnitude(std::span<const float> v) {
  return *std::ranges::max_element(v, {}, [](float x) { return std::abs(x); });  // with its sign
}

void BlockBf16(std::span<const float> v, std::byte* out) {
  const auto bits = std::bit_cast<uint32_t>(v[0]);
  StoreU16(static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16), out);
}

void BlockQ8_0(std::span<const float> v, std::byte* out) {
  const float d = StoreScale(std::abs(LargestMagnitude(v)) / 127, out);
  for (size_t i = 0; i < 32; ++i) out[2 + i] = ToByte(Round(v[i], d, -127, 127));
}

void BlockQ4_0(std::span<const float> v, std::byte* out) {
  const float d = StoreScale(LargestMagnitude(v) / -8, out);
  for (size_t i = 0; i < 16; ++i) {
    out[2 + i] = ToByte((Round(v[i], d, -8, 7) + 8) | ((Round(v[i + 16], d, -8, 7) + 8) << 4));
  }
}

void BlockQ4_1(std::span<const float> v, std::byte* out) {
  const auto [low, high] = std::ranges::minmax(v);
  const float d = StoreScale((high - low) / 15, out);
  const float m = StoreScale(low, out + 2);
  for (size_t i = 0; i < 16; ++i) {
    out[4 + i] = ToByte(Round(v[i] - m, d, 0, 15) | (Round(v[i + 16] - m, d, 0, 15) << 4));
  }
}

// Q4_K and Q5_K: value = d * scale_j * q - dmin * min_j, scale_j and min_j of 6 bits for 32 elements each.
void BlockQ45_K(std::span<const float> v, int levels, std::byte* out, std::byte* fifth_bits,
                std::byte* nibbles) {
  std::array<float, 8> scale{};
  std::array<float, 8> min{};
  for (size_t j = 0; j < 8; ++j) {
    const auto [low, high] = std::ranges::minmax(v.subspan(j * 32, 32));
    min[j] = std::max(0.0F, -low);
    scale[j] = (std::max(high, 0.0F) + min[j]) / static_cast<float>(levels);
  }
  const float d = StoreScale(std::ranges::max(scale) / 63, out);
  const float dmin = StoreScale(std::ranges::max(min) / 63, out + 2);
  std::byte* const packed = out + 4;
  for (size_t j = 0; j < 8; ++j) {
    const int s = Round(scale[j], d, 0, 63);
    const int m = Round(min[j], dmin, 0, 63);
    if (j < 4) {
      packed[j] |= ToByte(s);
      packed[j + 4] |= ToByte(m);
    } else {
      packed[j + 4] |= ToByte((s & 15) | ((m & 15) << 4));
      packed[j - 4] |= ToByte((s >> 4) << 6);
      packed[j] |= ToByte((m >> 4) << 6);
    }
    for (size_t i = 0; i < 32; ++i) {
      const float shifted = v[j * 32 + i] + dmin * static_cast<float>(m);
      const int q = Round(shifted, d * static_cast<float>(s), 0, levels);
      nibbles[j / 2 * 32 + i] |= ToByte((q & 15) << (j % 2 * 4));
      if (fifth_bits != nullptr) fifth_bits[i] |= ToByte((q >> 4) << j);
    }
  }
}

void BlockQ6_K(std::span<const float> v, std::byte* out) {
  std::array<float, 16> scale{};
  for (size_t j = 0; j < 16; ++j) scale[j] = LargestMagnitude(v.subspan(j * 16, 16)) / -32;
  const float d = StoreScale(std::abs(LargestMagnitude(scale)) / 127, out + 208);
  for (size_t e = 0; e < 256; ++e) {
    const int s = Round(scale[e / 16], d, -127, 127);
    out[192 + e / 16] = ToByte(s);
    const int q = Round(v[e], d * static_cast<float>(s), -32, 31) + 32;
    const size_t half = e / 128;
    const size_t group = e % 128 / 32;
    out[half * 64 + group % 2 * 32 + e % 32] |= ToByte((q & 15) << (group / 2 * 4));
    out[128 + half * 32 + e % 32] |= ToByte((q >> 4) << (group * 2));
  }
}

// `out` is zero: the packed formats are put together with |=.
void Block(DType type, std::span<const float> v, std::byte* out) {
  switch (type) {
    case DType::kF32:
      std::memcpy(out, v.data(), sizeof(float));
      return;
    case DType::kF16:
      StoreScale(v[0], out);
      return;
    case DType::kBF16:
      BlockBf16(v, out);
      return;
    case DType::kQ8_0:
      BlockQ8_0(v, out);
      return;
    case DType::kQ4_0:
      BlockQ4_0(v, out);
      return;
    case DType::kQ4_1:
      BlockQ4_1(v, out);
      return;
    case DType::kQ4_K:
      BlockQ45_K(v, 15, out, nullptr, out + 16);
      return;
    case DType::kQ5_K:
      BlockQ45_K(v, 31, out, out + 16, out + 48);
      return;
    case DType::kQ6_K:
      BlockQ6_K(v, out);
      return;
  }
  CHECK_MSG(false, "dtype {}", static_cast<int>(type));
}

}  // namespace

std::vector<std::byte> QuantizeRow(DType type, std::span<const float> values) {
  const auto elements = static_cast<size_t>(Info(type).block_elements);
  CHECK_EQ(values.size() % elements, size_t{0});
  std::vector<std::byte> bytes(RowBytes(type, values.size()));
  for (size_t i = 0; i < values.size(); i += elements) {
    Block(type, values.subspan(i, elements), bytes.data() + RowBytes(type, i));
  }
  return bytes;
}

}  // namespace exeunt
