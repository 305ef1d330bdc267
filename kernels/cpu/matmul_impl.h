// Matmul over packed weights, written once over the vector V. For every output the k-blocks are added in
// ascending order with the same operations, for any number of rows in a tile. Each (row, column) has one
// accumulator. Only the per-instruction-set translation units include this header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/elementwise_impl.h"
#include "kernels/cpu/matmul_formats.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/quant_rows.h"
#include "kernels/cpu/unroll.h"

namespace exeunt::cpu {
namespace {

// acc[r] = the 16 columns of group g for the R rows of a tile that begins at `row`. With kFetch it also
// fetches the weights that lie `ahead` bytes on. It is not inlined, because a caller would spill its
// registers within the loop.
template <class V, class Format, int R, bool kFetch>
__attribute__((noinline)) void AccumulateTile(const PackedMatrix& w, const MatmulInput& in, int row, int g,
                                              size_t ahead, typename V::F* out) {
  const auto blocks = static_cast<size_t>(w.k() / 32);
  const auto* x = reinterpret_cast<const QuantBlock<R>*>(in.quantised + static_cast<size_t>(row) * blocks *
                                                                            kQuantBlockBytes);
  typename V::F acc[R];
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) acc[r] = V::Zero();
  const uint8_t* p = w.group(g);
  for (size_t b = 0; b < blocks; b += Format::kBlocks32, x += Format::kBlocks32, p += Format::kBytes) {
    if constexpr (kFetch) {
      EXEUNT_UNROLL for (size_t line = 0; line < Format::kBytes; line += 64) {
        __builtin_prefetch(p + ahead + line, 0, 2);
      }
    }
    Format::template Add<V, R>(p, x, acc);
  }
  EXEUNT_UNROLL for (int r = 0; r < R; ++r) out[r] = acc[r];
}

// The weights of a group come from memory in its first tile and from the cache in all others. One full tile
// meanwhile fetches the weights `stride` groups later. It is not the first tile if there are more. This
// measured 10 to 14 % faster at 8 rows and more. With fewer rows the hardware prefetcher alone is faster.
template <class V, class Format, int R>
void Accumulate(const PackedMatrix& w, const MatmulInput& in, int row, int g, int stride,
                typename V::F* acc) {
  const size_t ahead = static_cast<size_t>(stride) * w.group_bytes();
  if constexpr (R == V::kRowTile) {
    if (row == (in.rows >= 2 * R ? R : 0)) {
      return AccumulateTile<V, Format, R, true>(w, in, row, g, ahead, acc);
    }
  }
  AccumulateTile<V, Format, R, false>(w, in, row, g, 0, acc);
}

// Stores a group's columns of one row. They are the output or are added to it. As a gate with the up
// projection beside it, they pass through SwiGLU.
template <class V>
void StoreGroup(const MatmulOutput& out, int row, int g, int columns, typename V::F x) {
  float* to = out.data + static_cast<size_t>(row) * out.stride +
              static_cast<size_t>(kGroupColumns * (g - out.first_group));
  const int lanes = columns - kGroupColumns * g < kGroupColumns ? columns - kGroupColumns * g : kGroupColumns;
  if (out.add) x = V::Add(LoadLanes<V>(to, lanes), x);
  StoreLanes<V>(to, x, lanes);
}

// Splits the rows of a matmul into tiles and calls body.template operator()<R>(first row) for each.
template <class V, typename Body>
void ForTiles(const MatmulInput& in, Body body) {
  for (int row = 0; row < in.rows;) {
    const RowTile tile = TileFrom(row, row < in.split ? in.split : in.rows, V::kRowTile);
    row += tile.rows;
    [&]<int... kLess>(std::integer_sequence<int, kLess...>) {
      (void)((tile.rows == kLess + 1 && (body.template operator()<kLess + 1>(tile.first), true)) || ...);
    }
    (std::make_integer_sequence<int, V::kRowTile>{});
  }
}

template <class V, class Format>
struct QuantKernel {
  static void Matmul(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1) {
    for (int g = g0; g < g1; ++g) {
      ForTiles<V>(in, [&]<int R>(int row) {
        typename V::F acc[R];
        Accumulate<V, Format, R>(w, in, row, g, 1, acc);
        EXEUNT_UNROLL for (int r = 0; r < R; ++r) StoreGroup<V>(out, row + r, g, w.n(), acc[r]);
      });
    }
  }

  static void GateUp(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1) {
    for (int g = g0; g < g1; ++g) {
      ForTiles<V>(in, [&]<int R>(int row) {
        typename V::F gate[R];
        typename V::F up[R];
        Accumulate<V, Format, R>(w, in, row, 2 * g, 2, gate);
        Accumulate<V, Format, R>(w, in, row, 2 * g + 1, 2, up);
        for (int r = 0; r < R; ++r) StoreGroup<V>(out, row + r, g, w.n() / 2, SwiGluV<V>(gate[r], up[r]));
      });
    }
  }
};

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

// Multiplies floating weights in tiles of R rows times G groups. Several groups at once hide the latency of
// the one accumulator of each output. Several rows share a conversion.
template <class V, class Loader>
struct FloatKernel {
  template <int R, int G>
  static void Accumulate(const PackedMatrix& w, const MatmulInput& in, int row, const int (&groups)[G],
                         typename V::F (&acc)[R][G]) {
    const auto k = static_cast<size_t>(w.k());
    const float* x = in.x + static_cast<size_t>(row) * k;
    const uint8_t* p[G];
    EXEUNT_UNROLL for (int j = 0; j < G; ++j) {
      p[j] = w.group(groups[j]);
      EXEUNT_UNROLL for (int r = 0; r < R; ++r) acc[r][j] = V::Zero();
    }
    for (size_t i = 0; i < k; ++i) {
      typename V::F weight[G];
      EXEUNT_UNROLL for (int j = 0; j < G; ++j) {
        weight[j] = Loader::template Load<V>(p[j] + i * 16 * Loader::kBytes);
      }
      EXEUNT_UNROLL for (int r = 0; r < R; ++r) {
        const auto broadcast = V::Set1(x[static_cast<size_t>(r) * k + i]);
        EXEUNT_UNROLL for (int j = 0; j < G; ++j) acc[r][j] = V::Fma(broadcast, weight[j], acc[r][j]);
      }
    }
  }

  template <int R, int G>
  static void Tile(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int row, int g) {
    int groups[G];
    EXEUNT_UNROLL for (int j = 0; j < G; ++j) groups[j] = g + j;
    typename V::F acc[R][G];
    Accumulate<R, G>(w, in, row, groups, acc);
    for (int r = 0; r < R; ++r) {
      for (int j = 0; j < G; ++j) StoreGroup<V>(out, row + r, g + j, w.n(), acc[r][j]);
    }
  }

  template <int G>
  static void Groups(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g) {
    int row = 0;
    for (; row + V::kFloatRows <= in.rows; row += V::kFloatRows) Tile<V::kFloatRows, G>(w, in, out, row, g);
    for (; row < in.rows; ++row) Tile<1, G>(w, in, out, row, g);
  }

  static void Matmul(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1) {
    int g = g0;
    for (; g + V::kFloatGroups <= g1; g += V::kFloatGroups) Groups<V::kFloatGroups>(w, in, out, g);
    for (; g < g1; ++g) Groups<1>(w, in, out, g);
  }

  static void GateUp(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1) {
    constexpr int R = V::kFloatRows;
    for (int g = g0; g < g1; ++g) {
      const int groups[2] = {2 * g, 2 * g + 1};
      int row = 0;
      for (; row + R <= in.rows; row += R) GateUpTile<R>(w, in, out, row, groups);
      for (; row < in.rows; ++row) GateUpTile<1>(w, in, out, row, groups);
    }
  }

  template <int R>
  static void GateUpTile(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int row,
                         const int (&groups)[2]) {
    typename V::F acc[R][2];
    Accumulate<R, 2>(w, in, row, groups, acc);
    for (int r = 0; r < R; ++r) {
      StoreGroup<V>(out, row + r, groups[0] / 2, w.n() / 2, SwiGluV<V>(acc[r][0], acc[r][1]));
    }
  }
};

// Calls body.template operator()<Kernel>() with the kernel of the type.
template <class V, typename Body>
void WithKernel(DType dtype, Body body) {
  switch (dtype) {
    case DType::kF32:
      return body.template operator()<FloatKernel<V, LoadF32>>();
    case DType::kF16:
      return body.template operator()<FloatKernel<V, LoadF16>>();
    case DType::kBF16:
      return body.template operator()<FloatKernel<V, LoadBf16>>();
    case DType::kQ8_0:
      return body.template operator()<QuantKernel<V, FormatQ8_0>>();
    case DType::kQ4_0:
      return body.template operator()<QuantKernel<V, FormatQ45_0<false>>>();
    case DType::kQ4_1:
      return body.template operator()<QuantKernel<V, FormatQ45_1<false>>>();
    case DType::kQ4_K:
      return body.template operator()<QuantKernel<V, FormatQ45K<false>>>();
    case DType::kQ5_K:
      return body.template operator()<QuantKernel<V, FormatQ45K<true>>>();
    case DType::kQ6_K:
      return body.template operator()<QuantKernel<V, FormatQ6K>>();
    case DType::kQ5_0:
      return body.template operator()<QuantKernel<V, FormatQ45_0<true>>>();
    case DType::kQ5_1:
      return body.template operator()<QuantKernel<V, FormatQ45_1<true>>>();
    case DType::kQ2_K:
      return body.template operator()<QuantKernel<V, FormatQ23K<false>>>();
    case DType::kQ3_K:
      return body.template operator()<QuantKernel<V, FormatQ23K<true>>>();
    case DType::kIQ4_NL:
      return body.template operator()<QuantKernel<V, FormatIQ4_NL>>();
    case DType::kIQ4_XS:
      return body.template operator()<QuantKernel<V, FormatIQ4_XS>>();
  }
}

template <class V>
void Matmul(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1) {
  WithKernel<V>(w.dtype(), [&]<class Kernel>() { Kernel::Matmul(w, in, out, g0, g1); });
}

template <class V>
void GateUp(const PackedMatrix& w, const MatmulInput& in, const MatmulOutput& out, int g0, int g1) {
  WithKernel<V>(w.dtype(), [&]<class Kernel>() { Kernel::GateUp(w, in, out, g0, g1); });
}

}  // namespace
}  // namespace exeunt::cpu
