// The 16-lane vector in plain C++. Every CPU kernel is written over such a vector, and this is the reference.
// vec_avx2.h and vec_avx512.h define the same operations. Each lane of each operation is exact IEEE single
// precision, so that all three give the same bits. Fused multiply-adds are explicit (Fma), never contracted.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

namespace exeunt::cpu {
namespace {

struct VecScalar {
  static constexpr int kRowTile = 2;       // most rows in a tile of a quantised matmul
  static constexpr int kFloatRows = 2;     // rows of a tile of floating weights
  static constexpr int kFloatGroups = 1;   // groups of 16 columns of a tile of floating weights
  static constexpr int kValueVectors = 1;  // vectors of a V row that attention sums at once
  static constexpr int kQueries = 4;       // queries of attention that share each load of K and V
  struct F {
    float v[16];
  };
  struct I {
    int32_t v[16];
  };
  struct B {
    uint8_t v[64];  // bytes 4c .. 4c+3 are lane c
  };

  static F Set1(float x) {
    F r;
    for (float& e : r.v) e = x;
    return r;
  }
  static F Zero() { return Set1(0.0F); }
  static F Load(const float* p) {
    F r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static F LoadN(const float* p, int n) {  // loads the first n lanes, with 0 in the rest
    F r = Zero();
    for (int i = 0; i < n; ++i) r.v[i] = p[i];
    return r;
  }
  static void Store(float* p, F x) { std::memcpy(p, x.v, sizeof x.v); }
  // Keeps lanes [from, to) of x and sets all others to `fill`. from and to may lie outside [0, 16].
  static F KeepLanes(F x, int from, int to, float fill) {
    for (int i = 0; i < 16; ++i) {
      if (i < from || i >= to) x.v[i] = fill;
    }
    return x;
  }
  // Exchanges lanes 2i and 2i + 1.
  static F SwapPairs(F x) {
    for (int i = 0; i < 16; i += 2) std::swap(x.v[i], x.v[i + 1]);
    return x;
  }
  static void StoreN(float* p, F x, int n) {
    for (int i = 0; i < n; ++i) p[i] = x.v[i];
  }
  template <typename Op>
  static F Map(F a, F b, Op op) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = op(a.v[i], b.v[i]);
    return r;
  }
  static F Add(F a, F b) {
    return Map(a, b, [](float x, float y) { return x + y; });
  }
  static F Sub(F a, F b) {
    return Map(a, b, [](float x, float y) { return x - y; });
  }
  static F Mul(F a, F b) {
    return Map(a, b, [](float x, float y) { return x * y; });
  }
  static F Div(F a, F b) {
    return Map(a, b, [](float x, float y) { return x / y; });
  }
  // Like maxps, returns the second operand if either is NaN.
  static F Max(F a, F b) {
    return Map(a, b, [](float x, float y) { return x > y ? x : y; });
  }
  static F Min(F a, F b) {
    return Map(a, b, [](float x, float y) { return x < y ? x : y; });
  }
  static F Abs(F a) {
    return Map(a, a, [](float x, float) { return std::fabs(x); });
  }
  static F Fma(F a, F b, F c) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
    return r;
  }
  // Rounds to nearest, ties to even. Like cvtps2dq, it returns INT32_MIN for NaN and for numbers that do not
  // fit.
  static I ToInt(F a) {
    I r;
    for (int i = 0; i < 16; ++i) {
      const float x = __builtin_rintf(a.v[i]);
      r.v[i] = x >= -0x1p31F && x < 0x1p31F ? static_cast<int32_t>(x) : INT32_MIN;
    }
    return r;
  }
  static F FromInt(I a) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(a.v[i]);
    return r;
  }
  static F Exp2Int(I n) {  // 2^n, n in [-126, 127]
    F r;
    for (int i = 0; i < 16; ++i) {
      const uint32_t bits = static_cast<uint32_t>(n.v[i] + 127) << 23;
      std::memcpy(&r.v[i], &bits, 4);
    }
    return r;
  }
  static float Half1(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000U) << 16;
    const uint32_t exponent = (h >> 10) & 31U;
    uint32_t mantissa = h & 1023U;
    uint32_t bits = 0;
    if (exponent == 31) {
      bits = sign | 0x7F800000U | (mantissa << 13) | (mantissa != 0 ? 0x400000U : 0U);
    } else if (exponent != 0) {
      bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
    } else if (mantissa != 0) {
      uint32_t e = 113;
      while ((mantissa & 1024U) == 0) {
        mantissa <<= 1;
        --e;
      }
      bits = sign | (e << 23) | ((mantissa & 1023U) << 13);
    } else {
      bits = sign;
    }
    float r = 0;
    std::memcpy(&r, &bits, 4);
    return r;
  }
  static F FromHalf(const uint16_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = Half1(p[i]);
    return r;
  }
  static F FromBf16(const uint16_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) {
      const uint32_t bits = static_cast<uint32_t>(p[i]) << 16;
      std::memcpy(&r.v[i], &bits, 4);
    }
    return r;
  }
  static F FromU8(const uint8_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(p[i]);
    return r;
  }
  static F FromS8(const int8_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(p[i]);
    return r;
  }
  static F FromLowNibbles(const uint8_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(p[i] & 15);
    return r;
  }
  static F FromHighNibbles(const uint8_t* p) {
    F r;
    for (int i = 0; i < 16; ++i) r.v[i] = static_cast<float>(p[i] >> 4);
    return r;
  }
  static uint16_t ToHalf1(float f) {  // rounds to nearest even, as F16C does
    uint32_t x = 0;
    std::memcpy(&x, &f, 4);
    const uint32_t sign = (x >> 16) & 0x8000U;
    x &= 0x7FFFFFFFU;
    if (x > 0x7F800000U) return static_cast<uint16_t>(sign | 0x7E00U | ((x >> 13) & 0x3FFU));
    if (x >= 0x477FF000U) return static_cast<uint16_t>(sign | 0x7C00U);
    if (x < 0x33000001U) return static_cast<uint16_t>(sign);
    const uint32_t exponent = x >> 23;
    uint32_t mantissa = (x & 0x7FFFFFU) | 0x800000U;
    const uint32_t shift = exponent < 113 ? 126 - exponent : 13;
    uint32_t half =
        exponent < 113 ? 0 : (exponent - 113) << 10;  // the implicit bit adds one more exponent step
    const uint32_t kept = mantissa >> shift;
    const uint32_t rest = mantissa & ((1U << shift) - 1);
    const uint32_t tie = 1U << (shift - 1);
    half += kept;
    if (rest > tie || (rest == tie && (kept & 1U) != 0)) ++half;
    return static_cast<uint16_t>(sign | half);
  }
  static void ToHalf(uint16_t* p, F x) {
    for (int i = 0; i < 16; ++i) p[i] = ToHalf1(x.v[i]);
  }
  // Sums over the lanes in a fixed tree: i + (i+8), then 4, 2, 1.
  static float ReduceAdd(F a) {
    for (int width = 8; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) a.v[i] = a.v[i] + a.v[i + width];
    }
    return a.v[0];
  }
  static float ReduceMax(F a) {
    for (int width = 8; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) a.v[i] = a.v[i] > a.v[i + width] ? a.v[i] : a.v[i + width];
    }
    return a.v[0];
  }

  static I SetInt(int32_t x) {
    I r;
    for (int32_t& e : r.v) e = x;
    return r;
  }
  static I AddInt(I a, I b) {
    for (int i = 0; i < 16; ++i) a.v[i] += b.v[i];
    return a;
  }
  static int32_t ReduceAddInt(I a) {
    int32_t sum = 0;
    for (int32_t e : a.v) sum += e;
    return sum;
  }
  // Stores lanes in [-127, 127] as bytes.
  static void StoreS8(int8_t* p, I a) {
    for (int i = 0; i < 16; ++i) p[i] = static_cast<int8_t>(a.v[i]);
  }

  static B LoadB(const uint8_t* p) {
    B r;
    std::memcpy(r.v, p, 64);
    return r;
  }
  template <typename Op>
  static B MapB(B a, B b, Op op) {
    B r;
    for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>(op(a.v[i], b.v[i]));
    return r;
  }
  static B LowNibble(B a) {
    return MapB(a, a, [](unsigned x, unsigned) { return x & 15U; });
  }
  static B HighNibble(B a) {
    return MapB(a, a, [](unsigned x, unsigned) { return x >> 4; });
  }
  static B OrB(B a, B b) {
    return MapB(a, b, [](unsigned x, unsigned y) { return x | y; });
  }
  // Computes ((byte >> kShift) & kMask) << kUp for each byte.
  template <int kShift, unsigned kMask, int kUp>
  static B Bits(B a) {
    return MapB(a, a, [](unsigned x, unsigned) { return ((x >> kShift) & kMask) << kUp; });
  }
  // Makes a table of 16 signed numbers in the form for DotBiased. Look-ups use indices below 16.
  static B Table(const int8_t* values) {
    B r;
    for (int i = 0; i < 64; ++i) r.v[i] = static_cast<uint8_t>(values[i % 16] + 128);
    return r;
  }
  static B Lookup(B table, B index) {
    for (uint8_t& x : index.v) x = table.v[x];
    return index;
  }
  // acc[c] += sum over i < 4 of w[4c + i] * a[i]. w is unsigned and below 128, a is signed.
  static I Dot(I acc, B w, const int8_t* a) {
    for (int c = 0; c < 16; ++c) {
      for (int i = 0; i < 4; ++i) acc.v[c] += w.v[4 * c + i] * a[i];
    }
    return acc;
  }
  // The same for up to eight products of w at most 16, or four of w below 32. Some CPUs sum these faster.
  using SmallDot = I;
  static SmallDot SmallZero() { return SetInt(0); }
  static SmallDot DotSmall(SmallDot acc, B w, const int8_t* a) { return Dot(acc, w, a); }
  static I SmallSum(SmallDot x) { return x; }
  // The same for 8-bit weights that are stored as w + 128. With InitBiased(-128 * sum of a) as the first
  // accumulator, the result is the sum over signed w.
  static I InitBiased(int32_t) { return SetInt(0); }
  static I DotBiased(I acc, B w, const int8_t* a) {
    for (int c = 0; c < 16; ++c) {
      for (int i = 0; i < 4; ++i) acc.v[c] += (w.v[4 * c + i] - 128) * a[i];
    }
    return acc;
  }
};

}  // namespace
}  // namespace exeunt::cpu
