// Matmul over packed weights, written once over the vector V. For every output the k-blocks are added in
// ascending order with the same operations, whatever the number of rows in a tile: one accumulator per (row,
// column). Included by the per-instruction-set translation units only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/ops.h"

namespace exeunt::cpu {
namespace {

inline constexpr size_t kNibbles = 256;  // bytes of 16 columns x 32 nibbles

// A tile's rows of the quantised input, at the current block.
template <int R>
struct QuantRows {
  const int8_t* q[R];
  const float* d[R];
  const int32_t* s[R];  // two sums of 16 per block
};

template <class V>
typename V::F HalfVector(const uint8_t* p) {
  return V::FromHalf(reinterpret_cast<const uint16_t*>(p));
}

// dots[r][c] = sum over 32 k of nibble(k, c) * a[r][k].
template <class V, int R>
void DotNibbles(const uint8_t* q, const QuantRows<R>& in, size_t block, typename V::I* dots) {
  for (int r = 0; r < R; ++r) dots[r] = V::SetInt(0);
  for (size_t j = 0; j < 4; ++j) {
    const auto packed = V::LoadB(q + 64 * j);
    const auto low = V::LowNibble(packed);
    const auto high = V::HighNibble(packed);
    for (int r = 0; r < R; ++r) {
      const int8_t* a = in.q[r] + 32 * block + 4 * j;
      dots[r] = V::Dot(V::Dot(dots[r], low, a), high, a + 16);
    }
  }
}

inline int32_t Sum32(const int32_t* s, size_t block) { return s[2 * block] + s[2 * block + 1]; }

// Each format adds one stored block of 16 columns to acc[R]; `block` counts blocks of 32 k.
struct FormatQ8_0 {
  static constexpr size_t kBlocks32 = 1;
  template <class V, int R>
  static void Add(const uint8_t* p, const QuantRows<R>& in, size_t block, typename V::F* acc) {
    typename V::I dots[R];
    for (int r = 0; r < R; ++r) dots[r] = V::InitBiased(Sum32(in.s[r], block));
    for (size_t j = 0; j < 8; ++j) {
      const auto w = V::LoadB(p + 32 + 64 * j);
      for (int r = 0; r < R; ++r) dots[r] = V::DotBiased(dots[r], w, in.q[r] + 32 * block + 4 * j);
    }
    const auto d = HalfVector<V>(p);
    for (int r = 0; r < R; ++r) {
      acc[r] = V::Fma(V::FromInt(dots[r]), V::Mul(d, V::Set1(in.d[r][block])), acc[r]);
    }
  }
};

struct FormatQ4_0 {
  static constexpr size_t kBlocks32 = 1;
  template <class V, int R>
  static void Add(const uint8_t* p, const QuantRows<R>& in, size_t block, typename V::F* acc) {
    typename V::I dots[R];
    DotNibbles<V, R>(p + 32, in, block, dots);
    const auto d = HalfVector<V>(p);
    for (int r = 0; r < R; ++r) {
      const auto dot = V::AddInt(dots[r], V::SetInt(-8 * Sum32(in.s[r], block)));
      acc[r] = V::Fma(V::FromInt(dot), V::Mul(d, V::Set1(in.d[r][block])), acc[r]);
    }
  }
};

struct FormatQ4_1 {
  static constexpr size_t kBlocks32 = 1;
  template <class V, int R>
  static void Add(const uint8_t* p, const QuantRows<R>& in, size_t block, typename V::F* acc) {
    typename V::I dots[R];
    DotNibbles<V, R>(p + 64, in, block, dots);
    const auto d = HalfVector<V>(p);
    const auto m = HalfVector<V>(p + 32);
    for (int r = 0; r < R; ++r) {
      const float da = in.d[r][block];
      acc[r] = V::Fma(V::FromInt(dots[r]), V::Mul(d, V::Set1(da)), acc[r]);
      acc[r] = V::Fma(m, V::Set1(da * static_cast<float>(Sum32(in.s[r], block))), acc[r]);
    }
  }
};

// Q4_K and Q5_K: w = (d * scale) * q - (dmin * min), scale and min per sub-block of 32.
template <bool kFive>
struct FormatQ45K {
  static constexpr size_t kBlocks32 = 8;
  static constexpr size_t kNibbleOffset = 64 + 8 * 32;

  template <class V, int R, int J>
  static void DotHigh(typename V::B high, const int8_t* const* a, typename V::I* dots) {
    const auto bit = V::template Bits<J, 1, 4>(high);
    for (int r = 0; r < R; ++r) dots[r] = V::Dot(dots[r], bit, a[r] + 4 * J);
    if constexpr (J + 1 < 8) DotHigh<V, R, J + 1>(high, a, dots);
  }

  template <class V, int R>
  static void Add(const uint8_t* p, const QuantRows<R>& in, size_t block, typename V::F* acc) {
    const auto d = HalfVector<V>(p);
    const auto dmin = HalfVector<V>(p + 32);
    for (size_t sub = 0; sub < 8; ++sub) {
      typename V::I dots[R];
      DotNibbles<V, R>(p + kNibbleOffset + sub * kNibbles, in, block + sub, dots);
      if constexpr (kFive) {
        const int8_t* a[R];
        for (int r = 0; r < R; ++r) a[r] = in.q[r] + 32 * (block + sub);
        DotHigh<V, R, 0>(V::LoadB(p + kNibbleOffset + 8 * kNibbles + sub * 64), a, dots);
      }
      const auto scale = V::Mul(d, V::FromU8(p + 64 + sub * 16));
      const auto min = V::Sub(V::Zero(), V::Mul(dmin, V::FromU8(p + 64 + 128 + sub * 16)));
      for (int r = 0; r < R; ++r) {
        const float da = in.d[r][block + sub];
        acc[r] = V::Fma(V::FromInt(dots[r]), V::Mul(scale, V::Set1(da)), acc[r]);
        acc[r] = V::Fma(min, V::Set1(da * static_cast<float>(Sum32(in.s[r], block + sub))), acc[r]);
      }
    }
  }
};

// Q6_K: w = (d * scale) * (q - 32), scale per sub-block of 16.
struct FormatQ6K {
  static constexpr size_t kBlocks32 = 8;
  static constexpr size_t kNibbleOffset = 32 + 16 * 16;

  template <class V, int R, int J>
  static void DotHalf(const uint8_t* q, typename V::B high, bool second, const int8_t* const* a,
                      typename V::I* dots) {
    const auto packed = V::LoadB(q + 64 * J);
    const auto low = second ? V::HighNibble(packed) : V::LowNibble(packed);
    const auto w = V::OrB(low, V::template Bits<2 * J, 3, 4>(high));
    for (int r = 0; r < R; ++r) dots[r] = V::Dot(dots[r], w, a[r] + 4 * J);
    if constexpr (J + 1 < 4) DotHalf<V, R, J + 1>(q, high, second, a, dots);
  }

  template <class V, int R>
  static void Add(const uint8_t* p, const QuantRows<R>& in, size_t block, typename V::F* acc) {
    const auto d = HalfVector<V>(p);
    for (size_t half = 0; half < 16; ++half) {
      const size_t sub = half / 2;
      const bool second = half % 2 != 0;
      const auto high = V::LoadB(p + kNibbleOffset + 8 * kNibbles + half * 64);
      typename V::I dots[R];
      const int8_t* a[R];
      for (int r = 0; r < R; ++r) {
        dots[r] = V::SetInt(-32 * in.s[r][2 * block + half]);
        a[r] = in.q[r] + 32 * block + 16 * half;
      }
      DotHalf<V, R, 0>(p + kNibbleOffset + sub * kNibbles, high, second, a, dots);
      const auto scale = V::Mul(d, V::FromS8(reinterpret_cast<const int8_t*>(p + 32 + half * 16)));
      for (int r = 0; r < R; ++r) {
        acc[r] = V::Fma(V::FromInt(dots[r]), V::Mul(scale, V::Set1(in.d[r][block + sub])), acc[r]);
      }
    }
  }
};

template <class V>
void StoreGroup(const PackedMatrix& w, int g, typename V::F acc, float* row_out) {
  const int left = w.n() - kGroupColumns * g;
  if (left >= kGroupColumns) {
    V::Store(row_out + kGroupColumns * g, acc);
  } else {
    V::StoreN(row_out + kGroupColumns * g, acc, left);
  }
}

template <class V, class Format, int R>
void QuantTile(const PackedMatrix& w, const MatmulInput& in, int row, int g, float* out, size_t out_stride) {
  const auto k = static_cast<size_t>(w.k());
  QuantRows<R> rows;
  typename V::F acc[R];
  for (int r = 0; r < R; ++r) {
    const auto at = static_cast<size_t>(row + r);
    rows.q[r] = in.q + at * k;
    rows.d[r] = in.d + at * (k / 32);
    rows.s[r] = in.sum16 + at * (k / 16);
    acc[r] = V::Zero();
  }
  const uint8_t* p = w.group(g);
  for (size_t block = 0; block < k / 32; block += Format::kBlocks32, p += w.block_bytes()) {
    Format::template Add<V, R>(p, rows, block, acc);
  }
  for (int r = 0; r < R; ++r) StoreGroup<V>(w, g, acc[r], out + static_cast<size_t>(row + r) * out_stride);
}

template <class V, class Format, int R>
int QuantTiles(const PackedMatrix& w, const MatmulInput& in, int row, int g, float* out, size_t out_stride) {
  for (; row + R <= in.rows; row += R) QuantTile<V, Format, R>(w, in, row, g, out, out_stride);
  if constexpr (R > 1) row = QuantTiles<V, Format, R / 2>(w, in, row, g, out, out_stride);
  return row;
}

template <class V, class Format>
void QuantMatmul(const PackedMatrix& w, const MatmulInput& in, float* out, size_t out_stride, int g0,
                 int g1) {
  for (int g = g0; g < g1; ++g) QuantTiles<V, Format, V::kRowTile>(w, in, 0, g, out, out_stride);
}

struct LoadF32 {
  static constexpr size_t kBytes = 4;
  template <class V>
  static typename V::F Load(const uint8_t* p) {
    return V::Load(reinterpret_cast<const float*>(p));
  }
};
struct LoadF16 {
  static constexpr size_t kBytes = 2;
  template <class V>
  static typename V::F Load(const uint8_t* p) {
    return V::FromHalf(reinterpret_cast<const uint16_t*>(p));
  }
};
struct LoadBf16 {
  static constexpr size_t kBytes = 2;
  template <class V>
  static typename V::F Load(const uint8_t* p) {
    return V::FromBf16(reinterpret_cast<const uint16_t*>(p));
  }
};

// R rows times G groups: several groups at once hide the latency of the one accumulator that each output has.
template <class V, class Loader, int R, int G>
void FloatTile(const PackedMatrix& w, const MatmulInput& in, int row, int g, float* out, size_t out_stride) {
  const auto k = static_cast<size_t>(w.k());
  typename V::F acc[R][G];
  for (auto& accs : acc) {
    for (auto& a : accs) a = V::Zero();
  }
  for (size_t i = 0; i < k; ++i) {
    typename V::F weight[G];
    for (int j = 0; j < G; ++j)
      weight[j] = Loader::template Load<V>(w.group(g + j) + i * 16 * Loader::kBytes);
    for (int r = 0; r < R; ++r) {
      const auto x = V::Set1(in.x[static_cast<size_t>(row + r) * k + i]);
      for (int j = 0; j < G; ++j) acc[r][j] = V::Fma(x, weight[j], acc[r][j]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int j = 0; j < G; ++j) {
      StoreGroup<V>(w, g + j, acc[r][j], out + static_cast<size_t>(row + r) * out_stride);
    }
  }
}

template <class V, class Loader, int G>
void FloatGroups(const PackedMatrix& w, const MatmulInput& in, int g, float* out, size_t out_stride) {
  int row = 0;
  for (; row + 2 <= in.rows; row += 2) FloatTile<V, Loader, 2, G>(w, in, row, g, out, out_stride);
  if (row < in.rows) FloatTile<V, Loader, 1, G>(w, in, row, g, out, out_stride);
}

template <class V, class Loader>
void FloatMatmul(const PackedMatrix& w, const MatmulInput& in, float* out, size_t out_stride, int g0,
                 int g1) {
  int g = g0;
  for (; g + 3 <= g1; g += 3) FloatGroups<V, Loader, 3>(w, in, g, out, out_stride);
  for (; g < g1; ++g) FloatGroups<V, Loader, 1>(w, in, g, out, out_stride);
}

template <class V>
void Matmul(const PackedMatrix& w, const MatmulInput& in, float* out, size_t out_stride, int g0, int g1) {
  switch (w.dtype()) {
    case DType::kF32:
      return FloatMatmul<V, LoadF32>(w, in, out, out_stride, g0, g1);
    case DType::kF16:
      return FloatMatmul<V, LoadF16>(w, in, out, out_stride, g0, g1);
    case DType::kBF16:
      return FloatMatmul<V, LoadBf16>(w, in, out, out_stride, g0, g1);
    case DType::kQ8_0:
      return QuantMatmul<V, FormatQ8_0>(w, in, out, out_stride, g0, g1);
    case DType::kQ4_0:
      return QuantMatmul<V, FormatQ4_0>(w, in, out, out_stride, g0, g1);
    case DType::kQ4_1:
      return QuantMatmul<V, FormatQ4_1>(w, in, out, out_stride, g0, g1);
    case DType::kQ4_K:
      return QuantMatmul<V, FormatQ45K<false>>(w, in, out, out_stride, g0, g1);
    case DType::kQ5_K:
      return QuantMatmul<V, FormatQ45K<true>>(w, in, out, out_stride, g0, g1);
    case DType::kQ6_K:
      return QuantMatmul<V, FormatQ6K>(w, in, out, out_stride, g0, g1);
  }
}

}  // namespace
}  // namespace exeunt::cpu
