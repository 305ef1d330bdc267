#include "kernels/dequantize.h"

#include <cpuid.h>
#include <gtest/gtest.h>
#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace exeunt {
namespace {

std::vector<std::byte> FromHex(const std::string& hex) {
  std::vector<std::byte> bytes(hex.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(std::stoi(hex.substr(2 * i, 2), nullptr, 16));
  }
  return bytes;
}

// The golden file's values are those of ggml's own `gguf` package, bit for bit.
TEST(Dequantize, EqualsGgml) {
  std::ifstream file(EXEUNT_SOURCE_DIR "/kernels/testdata/dequantize_golden.txt");
  std::string line;
  std::set<DType> seen;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string name, source, values;
    size_t n = 0;
    fields >> name >> n >> source >> values;
    for (DType type : kAllDTypes) {
      if (Info(type).name != name) continue;
      seen.insert(type);
      // One byte in front: the source needs no alignment.
      const std::vector<std::byte> bytes = FromHex("00" + source);
      const std::vector<std::byte> expected = FromHex(values);
      ASSERT_EQ(bytes.size(), 1 + RowBytes(type, n)) << name;
      ASSERT_EQ(expected.size(), 4 * n) << name;
      std::vector<float> actual(n + 1, 12345.0F);  // a sentinel behind the row
      DequantizeRow(type, bytes.data() + 1, actual.data(), n);
      for (size_t i = 0; i < n; ++i) {
        float want = 0;
        std::memcpy(&want, expected.data() + 4 * i, 4);
        ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(want))
            << name << " element " << i;
      }
      EXPECT_EQ(actual[n], 12345.0F) << name;
    }
  }
  EXPECT_EQ(seen.size(), std::size(kAllDTypes));
}

TEST(Dequantize, HalfMeansSignFractionExponent) {
  for (int h = 0; h < 0x10000; ++h) {
    const float value = HalfToFloat(static_cast<uint16_t>(h));
    const int exponent = (h >> 10) & 31;
    const int fraction = h & 0x3FF;
    if (exponent == 31 && fraction != 0) {
      ASSERT_TRUE(std::isnan(value)) << h;
      continue;
    }
    const double magnitude = exponent == 31  ? HUGE_VAL
                             : exponent == 0 ? std::ldexp(fraction, -24)
                                             : std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(std::abs(static_cast<double>(value)), magnitude) << h;
    ASSERT_EQ(std::signbit(value), (h & 0x8000) != 0) << h;
    ASSERT_EQ(FloatToHalf(value), h);
  }
}

// Every midpoint between two neighbouring halves goes to the even one, and a step aside decides otherwise.
TEST(Dequantize, FloatToHalfRoundsToNearestEven) {
  for (uint16_t h = 0; h < 0x7BFF; ++h) {
    const auto next = static_cast<uint16_t>(h + 1);
    const float middle = 0.5F * (HalfToFloat(h) + HalfToFloat(next));
    ASSERT_EQ(FloatToHalf(middle), h % 2 == 0 ? h : next);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0F)), h);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9F)), next);
    ASSERT_EQ(FloatToHalf(-middle), 0x8000 | (h % 2 == 0 ? h : next));
  }
  EXPECT_EQ(FloatToHalf(65519.99F), 0x7BFF);
  EXPECT_EQ(FloatToHalf(65520.0F), 0x7C00);
  EXPECT_EQ(FloatToHalf(-INFINITY), 0xFC00);
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(NAN))));
}

// clang 14's __builtin_cpu_supports does not know "f16c".
bool HasF16C() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

__attribute__((target("f16c"))) uint16_t HardwareHalf(float value) {
  return static_cast<uint16_t>(
      _mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), 0));
}

__attribute__((target("f16c"))) float HardwareFloat(uint16_t half) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
}

TEST(Dequantize, HalvesEqualF16C) {
  if (!HasF16C()) GTEST_SKIP() << "this CPU has no F16C";
  for (int h = 0; h < 0x10000; ++h) {
    const auto half = static_cast<uint16_t>(h);
    ASSERT_EQ(std::bit_cast<uint32_t>(HalfToFloat(half)), std::bit_cast<uint32_t>(HardwareFloat(half))) << h;
  }
  for (uint64_t bits = 0; bits < 0x100000000; bits += 4099) {  // a prime, so that low bits vary
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(bits));
    ASSERT_EQ(FloatToHalf(value), HardwareHalf(value)) << bits;
  }
}

}  // namespace
}  // namespace exeunt
