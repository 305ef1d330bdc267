// Multiplies one stored block of 16 columns (packed_block.h) for every format, over the vector V. Sums of
// integer products are exact. The float operations that follow are the same, in the same order, on every
// instruction set. Only the per-instruction-set translation units include this header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/block_codes.h"
#include "kernels/cpu/quant_rows.h"
#include "kernels/cpu/unroll.h"

namespace exeunt::cpu {
namespace {

inline constexpr size_t kNibbles = 256;  // bytes of 16 columns x 32 nibbles

template <class V>
typename V::F HalfVector(const uint8_t* p) {
  return V::FromHalf(reinterpret_cast<const uint16_t*>(p));
}

// dots[r][c] = sum over 32 k of nibble(k, c) * q[r][k].
template <class V, int R>
EXEUNT_INLINE void DotNibbles(const uint8_t* p, const QuantBlock<R>& in, typename V::I* dots) {
  typename V::SmallDot sums[R];
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) sums[r] = V::SmallZero();
  EXEUNT_UNROLL for (int j = 0; j < 4; ++j) {
    const auto packed = V::LoadB(p + 64 * j);
    const auto low = V::LowNibble(packed);
    const auto high = V::HighNibble(packed);
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
      const int8_t* a = in.q[r] + 4 * j;
      sums[r] = V::DotSmall(V::DotSmall(sums[r], low, a), high, a + 16);
    }
  }
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::SmallSum(sums[r]);
}

// The same for nibbles with a fifth bit each. Half h of the block begins at k = 16 h.
template <class V, int R, int kHalf, int J = 0>
EXEUNT_INLINE void DotFiveHalf(const uint8_t* nibbles, typename V::B fifth, const QuantBlock<R>& in,
                               typename V::SmallDot* sums) {
  const auto packed = V::LoadB(nibbles + 64 * J);
  const auto low = kHalf != 0 ? V::HighNibble(packed) : V::LowNibble(packed);
  const auto w = V::OrB(low, V::template Bits<4 * kHalf + J, 1, 4>(fifth));
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) sums[r] = V::DotSmall(sums[r], w, in.q[r] + 16 * kHalf + 4 * J);
  if constexpr (J + 1 < 4) DotFiveHalf<V, R, kHalf, J + 1>(nibbles, fifth, in, sums);
}

template <class V, int R>
EXEUNT_INLINE void DotFive(const uint8_t* nibbles, const uint8_t* bits, const QuantBlock<R>& in,
                           typename V::I* dots) {
  const auto fifth = V::LoadB(bits);
  typename V::SmallDot sums[R];
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) sums[r] = V::SmallZero();
  DotFiveHalf<V, R, 0>(nibbles, fifth, in, sums);
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
    dots[r] = V::SmallSum(sums[r]);
    sums[r] = V::SmallZero();
  }
  DotFiveHalf<V, R, 1>(nibbles, fifth, in, sums);
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::AddInt(dots[r], V::SmallSum(sums[r]));
}

// bits: the fifth bits, which are not read if codes have four bits.
template <class V, int R, bool kFive>
EXEUNT_INLINE void DotCodes(const uint8_t* nibbles, const uint8_t* bits, const QuantBlock<R>& in,
                            typename V::I* dots) {
  if constexpr (kFive) {
    DotFive<V, R>(nibbles, bits, in, dots);
  } else {
    DotNibbles<V, R>(nibbles, in, dots);
  }
}

// DotNibbles for nibbles that are indices of kIq4Values.
template <class V, int R>
EXEUNT_INLINE void DotIq4(const uint8_t* nibbles, typename V::B values, const QuantBlock<R>& in,
                          typename V::I* dots) {
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::InitBiased(in.n128[r]);
  EXEUNT_UNROLL for (int j = 0; j < 4; ++j) {
    const auto packed = V::LoadB(nibbles + 64 * j);
    const auto low = V::Lookup(values, V::LowNibble(packed));
    const auto high = V::Lookup(values, V::HighNibble(packed));
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
      const int8_t* a = in.q[r] + 4 * j;
      dots[r] = V::DotBiased(V::DotBiased(dots[r], low, a), high, a + 16);
    }
  }
}

// acc[r] += dots[r] * (d * scale of row r's block).
template <class V, int R>
EXEUNT_INLINE void AddScaled(const typename V::I* dots, typename V::F d, const QuantBlock<R>& in,
                             typename V::F* acc) {
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
    acc[r] = V::Fma(V::FromInt(dots[r]), V::Mul(d, V::Set1(in.d[r])), acc[r]);
  }
}

// acc[r] += m * (sum of row r's block), which is the contribution of a constant m in every weight of a block.
template <class V, int R>
EXEUNT_INLINE void AddConstant(typename V::F m, const QuantBlock<R>& in, typename V::F* acc) {
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) acc[r] = V::Fma(m, V::Set1(in.ds[r]), acc[r]);
}

// Each format adds one stored block of 16 columns to acc[R]. `in` is the first of the block's 32s.
struct FormatQ8_0 {
  static constexpr size_t kBlocks32 = 1;
  static constexpr size_t kBytes = 32 + 512;
  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    typename V::I dots[R];
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::InitBiased(in->n128[r]);
    EXEUNT_UNROLL for (int j = 0; j < 8; ++j) {
      const auto w = V::LoadB(p + 32 + 64 * j);
      EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::DotBiased(dots[r], w, in->q[r] + 4 * j);
    }
    AddScaled<V, R>(dots, HalfVector<V>(p), *in, acc);
  }
};

// Q4_0 and Q5_0: w = d * (q - 8) and d * (q - 16).
template <bool kFive>
struct FormatQ45_0 {
  static constexpr size_t kBlocks32 = 1;
  static constexpr size_t kNibbleOffset = 32;
  static constexpr size_t kBytes = kNibbleOffset + kNibbles + (kFive ? 64 : 0);
  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    typename V::I dots[R];
    DotCodes<V, R, kFive>(p + kNibbleOffset, p + kNibbleOffset + kNibbles, *in, dots);
    constexpr int kShift = kFive ? 3 : 4;  // turns -128 * sum of q into -16 or -8 times the sum
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::AddInt(dots[r], V::SetInt(in->n128[r] >> kShift));
    AddScaled<V, R>(dots, HalfVector<V>(p), *in, acc);
  }
};

// Q4_1 and Q5_1: w = d * q + m.
template <bool kFive>
struct FormatQ45_1 {
  static constexpr size_t kBlocks32 = 1;
  static constexpr size_t kNibbleOffset = 64;
  static constexpr size_t kBytes = kNibbleOffset + kNibbles + (kFive ? 64 : 0);
  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    typename V::I dots[R];
    DotCodes<V, R, kFive>(p + kNibbleOffset, p + kNibbleOffset + kNibbles, *in, dots);
    AddScaled<V, R>(dots, HalfVector<V>(p), *in, acc);
    AddConstant<V, R>(HalfVector<V>(p + 32), *in, acc);
  }
};

struct FormatIQ4_NL {
  static constexpr size_t kBlocks32 = 1;
  static constexpr size_t kBytes = 32 + kNibbles;
  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    typename V::I dots[R];
    DotIq4<V, R>(p + 32, V::Table(kIq4Values), *in, dots);
    AddScaled<V, R>(dots, HalfVector<V>(p), *in, acc);
  }
};

// IQ4_XS: w = (d * scale) * value, scale per sub-block of 32.
struct FormatIQ4_XS {
  static constexpr size_t kBlocks32 = 8;
  static constexpr size_t kNibbleOffset = 32 + 8 * 16;
  static constexpr size_t kBytes = kNibbleOffset + 8 * kNibbles;
  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    const auto d = HalfVector<V>(p);
    const auto values = V::Table(kIq4Values);
    for (size_t sub = 0; sub < 8; ++sub) {
      typename V::I dots[R];
      DotIq4<V, R>(p + kNibbleOffset + sub * kNibbles, values, in[sub], dots);
      const auto scale = V::Mul(d, V::FromS8(reinterpret_cast<const int8_t*>(p + 32 + sub * 16)));
      AddScaled<V, R>(dots, scale, in[sub], acc);
    }
  }
};

// Q4_K and Q5_K: w = (d * scale) * q - (dmin * min), scale and min per sub-block of 32.
template <bool kFive>
struct FormatQ45K {
  static constexpr size_t kBlocks32 = 8;
  static constexpr size_t kNibbleOffset = 64 + 8 * 32;
  static constexpr size_t kBytes = kNibbleOffset + 8 * kNibbles + (kFive ? 8 * 64 : 0);

  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    const auto d = HalfVector<V>(p);
    const auto dmin = HalfVector<V>(p + 32);
    for (size_t sub = 0; sub < 8; ++sub) {
      typename V::I dots[R];
      DotCodes<V, R, kFive>(p + kNibbleOffset + sub * kNibbles, p + kNibbleOffset + 8 * kNibbles + sub * 64,
                            in[sub], dots);
      AddScaled<V, R>(dots, V::Mul(d, V::FromU8(p + 64 + sub * 16)), in[sub], acc);
      const auto min = V::Sub(V::Zero(), V::Mul(dmin, V::FromU8(p + 64 + 128 + sub * 16)));
      AddConstant<V, R>(min, in[sub], acc);
    }
  }
};

// Q6_K: w = (d * scale) * (q - 32), scale per sub-block of 16.
struct FormatQ6K {
  static constexpr size_t kBlocks32 = 8;
  static constexpr size_t kNibbleOffset = 32 + 16 * 16;
  static constexpr size_t kBytes = kNibbleOffset + 8 * kNibbles + 16 * 64;

  template <class V, int R, int J>
  EXEUNT_INLINE static void DotHalf(const uint8_t* p, typename V::B high, int half, const QuantBlock<R>& in,
                                    typename V::I* dots) {
    const auto packed = V::LoadB(p + 64 * J);
    const auto low = half != 0 ? V::HighNibble(packed) : V::LowNibble(packed);
    const auto w = V::OrB(low, V::template Bits<2 * J, 3, 4>(high));
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::Dot(dots[r], w, in.q[r] + 16 * half + 4 * J);
    if constexpr (J + 1 < 4) DotHalf<V, R, J + 1>(p, high, half, in, dots);
  }

  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    const auto d = HalfVector<V>(p);
    for (size_t sub = 0; sub < 8; ++sub) {
      EXEUNT_UNROLL for (int half = 0; half < 2; ++half) {
        const size_t part = 2 * sub + static_cast<size_t>(half);
        const auto high = V::LoadB(p + kNibbleOffset + 8 * kNibbles + part * 64);
        typename V::I dots[R];
        EXEUNT_UNROLL for (int r = 0; r < R; ++r) dots[r] = V::SetInt(in[sub].n32[half][r]);
        DotHalf<V, R, 0>(p + kNibbleOffset + sub * kNibbles, high, half, in[sub], dots);
        const auto scale = V::Mul(d, V::FromS8(reinterpret_cast<const int8_t*>(p + 32 + part * 16)));
        AddScaled<V, R>(dots, scale, in[sub], acc);
      }
    }
  }
};

// Q2_K: w = (d * scale) * q - (dmin * min). Q3_K: w = (d * scale) * (q - 4). Scale and min are per sub-block
// of 16. The products of a row's 32 numbers are summed before their scale is applied.
template <bool kThree>
struct FormatQ23K {
  static constexpr size_t kBlocks32 = 8;
  static constexpr size_t kScales = kThree ? 32 : 64;
  static constexpr size_t kPairs = kScales + 16 * 16;
  static constexpr size_t kBits = kPairs + 16 * 64;
  static constexpr size_t kBytes = kBits + (kThree ? 8 * 64 : 0);

  // sums[r] += the products of half `kHalf` of a block of 32.
  template <class V, int R, int kHalf, int J = 0>
  EXEUNT_INLINE static void Dot(typename V::B pairs, typename V::B third, const QuantBlock<R>& in,
                                typename V::SmallDot* sums) {
    auto w = V::template Bits<2 * J, 3, 0>(pairs);
    if constexpr (kThree) w = V::OrB(w, V::template Bits<4 * kHalf + J, 1, 2>(third));
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) sums[r] = V::DotSmall(sums[r], w, in.q[r] + 16 * kHalf + 4 * J);
    if constexpr (J + 1 < 4) Dot<V, R, kHalf, J + 1>(pairs, third, in, sums);
  }

  // Sets total[r] to the result of half `kHalf` of a block of 32, or adds it. scales: for the block's 16
  // columns.
  template <class V, int R, int kHalf>
  EXEUNT_INLINE static void AddHalf(typename V::B pairs, typename V::B third, const uint8_t* scales,
                                    typename V::F d, typename V::F dmin32, const QuantBlock<R>& in,
                                    typename V::F* total) {
    typename V::SmallDot sums[R];
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) sums[r] = V::SmallZero();
    Dot<V, R, kHalf>(pairs, third, in, sums);
    typename V::F scale = d;
    if constexpr (kThree) {
      scale = V::Mul(d, V::FromS8(reinterpret_cast<const int8_t*>(scales)));
    } else {
      scale = V::Mul(d, V::FromLowNibbles(scales));
    }
    EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
      auto dots = V::SmallSum(sums[r]);
      if constexpr (kThree) dots = V::AddInt(dots, V::SetInt(in.n32[kHalf][r] >> 3));  // -4 * sum of q
      total[r] = kHalf == 0 ? V::Mul(V::FromInt(dots), scale) : V::Fma(V::FromInt(dots), scale, total[r]);
    }
    if constexpr (!kThree) {
      const auto min = V::Mul(dmin32, V::FromHighNibbles(scales));
      EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
        total[r] = V::Fma(V::FromInt(V::SetInt(in.n32[kHalf][r])), min, total[r]);
      }
    }
  }

  template <class V, int R>
  EXEUNT_INLINE static void Add(const uint8_t* p, const QuantBlock<R>* in, typename V::F* acc) {
    const auto d = HalfVector<V>(p);
    auto dmin32 = d;  // dmin / 32, because n32 is -32 * sum of q
    if constexpr (!kThree) dmin32 = V::Mul(HalfVector<V>(p + 32), V::Set1(1.0F / 32));
    for (size_t sub = 0; sub < 8; ++sub) {
      const uint8_t* pairs = p + kPairs + sub * 128;
      const uint8_t* scales = p + kScales + sub * 32;
      const auto third = V::LoadB(kThree ? p + kBits + sub * 64 : pairs);
      typename V::F total[R];
      AddHalf<V, R, 0>(V::LoadB(pairs), third, scales, d, dmin32, in[sub], total);
      AddHalf<V, R, 1>(V::LoadB(pairs + 64), third, scales + 16, d, dmin32, in[sub], total);
      EXEUNT_UNROLL for (int r = 0; r < R; ++r) acc[r] = V::Fma(total[r], V::Set1(in[sub].d[r]), acc[r]);
    }
  }
};

}  // namespace
}  // namespace exeunt::cpu
