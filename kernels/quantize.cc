#include "kernels/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/block_codes.h"
#include "kernels/dequantize.h"

namespace exeunt {
namespace {

void StoreU16(uint16_t value, std::byte* out) { std::memcpy(out, &value, sizeof(value)); }

// Stores `scale` as a half and returns the value that a reader gets.
float StoreScale(float scale, uint16_t* half) {
  *half = FloatToHalf(scale);
  return HalfToFloat(*half);
}

int Round(float value, float scale, int low, int high) {
  const float q = scale == 0 ? 0.0F : std::nearbyint(value / scale);
  return static_cast<int>(std::clamp(q, static_cast<float>(low), static_cast<float>(high)));
}

float LargestMagnitude(std::span<const float> v) {
  return *std::ranges::max_element(v, {}, [](float x) { return std::abs(x); });  // with its sign
}

// The numbers of a type's codes, either all from low to high or kIq4Values.
struct Levels {
  int low;
  int high;
  int offset;  // offset of the codes
  bool iq4_values;
};

Levels LevelsOf(DType type) {
  const CodeInfo info = Codes(type);
  if (info.iq4_values) return {kIq4Values[0], kIq4Values[15], 0, true};
  const int low = type == DType::kQ8_0 ? -127 : -info.code_offset;  // like ggml, does not use -128
  return {low, (1 << info.bits) - 1 - info.code_offset, info.code_offset, false};
}

// Returns the code of the level nearest to value / scale.
uint8_t Code(const Levels& levels, float value, float scale) {
  if (!levels.iq4_values) {
    return static_cast<uint8_t>(Round(value, scale, levels.low, levels.high) + levels.offset);
  }
  const float x = scale == 0 ? 0.0F : value / scale;
  const auto* nearest = std::ranges::min_element(
      kIq4Values, {}, [x](int8_t level) { return std::abs(x - static_cast<float>(level)); });
  return static_cast<uint8_t>(nearest - std::begin(kIq4Values));
}

// Returns the scale that maps the value of largest magnitude to the level of largest magnitude.
float SymmetricScale(const Levels& levels, std::span<const float> v) {
  const float largest = LargestMagnitude(v);
  return levels.low == -levels.high ? std::abs(largest) / static_cast<float>(levels.high)
                                    : largest / static_cast<float>(levels.low);
}

// Computes one scale, and a minimum if the type has one, for 32 values.
BlockCodes CodesOf32(DType type, std::span<const float> v) {
  const Levels levels = LevelsOf(type);
  BlockCodes out;
  float d = 0;
  float m = 0;
  if (Codes(type).has_minimum) {
    const auto [low, high] = std::ranges::minmax(v);
    d = StoreScale((high - low) / static_cast<float>(levels.high), &out.d);
    m = StoreScale(low, &out.dmin);
  } else {
    d = StoreScale(SymmetricScale(levels, v), &out.d);
  }
  for (size_t e = 0; e < v.size(); ++e) out.codes[e] = Code(levels, v[e] - m, d);
  return out;
}

// Computes a scale and a minimum for each sub-block. Each is a number of few bits times a factor of the
// block.
BlockCodes CodesOf256WithMinimum(DType type, std::span<const float> v) {
  const Levels levels = LevelsOf(type);
  const auto sub_elements = static_cast<size_t>(Codes(type).sub_elements);
  const int max_scale = type == DType::kQ2_K ? 15 : 63;
  std::array<float, 16> scale{};
  std::array<float, 16> min{};
  for (size_t s = 0; s < v.size() / sub_elements; ++s) {
    const auto [low, high] = std::ranges::minmax(v.subspan(s * sub_elements, sub_elements));
    min[s] = std::max(0.0F, -low);
    scale[s] = (std::max(high, 0.0F) + min[s]) / static_cast<float>(levels.high);
  }
  BlockCodes out;
  const float d = StoreScale(std::ranges::max(scale) / static_cast<float>(max_scale), &out.d);
  const float dmin = StoreScale(std::ranges::max(min) / static_cast<float>(max_scale), &out.dmin);
  for (size_t e = 0; e < v.size(); ++e) {
    const size_t s = e / sub_elements;
    const int sub_scale = Round(scale[s], d, 0, max_scale);
    const int sub_min = Round(min[s], dmin, 0, max_scale);
    out.scales[s] = static_cast<int8_t>(sub_scale);
    out.mins[s] = static_cast<uint8_t>(sub_min);
    out.codes[e] = Code(levels, v[e] + dmin * static_cast<float>(sub_min), d * static_cast<float>(sub_scale));
  }
  return out;
}

// Computes a signed scale for each sub-block.
BlockCodes CodesOf256(DType type, std::span<const float> v) {
  const Levels levels = LevelsOf(type);
  const auto sub_elements = static_cast<size_t>(Codes(type).sub_elements);
  std::array<float, 16> scale{};
  for (size_t s = 0; s < v.size() / sub_elements; ++s) {
    scale[s] = SymmetricScale(levels, v.subspan(s * sub_elements, sub_elements));
  }
  // Scales of 8 bits use a symmetric range. Scales of 6 bits begin at -32.
  const Levels scale_levels = type == DType::kQ6_K ? Levels{-127, 127, 0, false} : Levels{-32, 31, 0, false};
  BlockCodes out;
  const float d = StoreScale(SymmetricScale(scale_levels, scale), &out.d);
  for (size_t e = 0; e < v.size(); ++e) {
    const size_t s = e / sub_elements;
    const int sub_scale = Round(scale[s], d, scale_levels.low, scale_levels.high);
    out.scales[s] = static_cast<int8_t>(sub_scale);
    out.codes[e] = Code(levels, v[e], d * static_cast<float>(sub_scale));
  }
  return out;
}

void Block(DType type, std::span<const float> v, std::byte* out) {
  const auto bits = std::bit_cast<uint32_t>(v[0]);
  switch (type) {
    case DType::kF32:
      std::memcpy(out, v.data(), sizeof(float));
      return;
    case DType::kF16:
      return StoreU16(FloatToHalf(v[0]), out);
    case DType::kBF16:
      return StoreU16(static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16), out);
    default:
      break;
  }
  if (v.size() == 32) return WriteBlock(type, CodesOf32(type, v), out);
  WriteBlock(type, Codes(type).has_minimum ? CodesOf256WithMinimum(type, v) : CodesOf256(type, v), out);
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
