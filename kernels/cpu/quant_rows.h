// The layout of the rows that a quantised matmul reads. Rows are quantised per block of 32 (x ~ d * q, q in
// [-127, 127]) and cut into tiles of rows that a kernel multiplies together. A tile of R rows has one
// QuantBlock<R> per block. A kernel therefore walks one pointer and finds the sums that its format needs
// beside the numbers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace exeunt::cpu {

template <int R>
struct QuantBlock {
  int8_t q[R][32];
  float d[R];         // scale
  float ds[R];        // d * sum of q, which is multiplied with a weight's minimum
  int32_t n128[R];    // -128 * sum of q, which corrects a product with weights that are stored + 128
  int32_t n32[2][R];  // -32 * sum of q over each half, which corrects a product with Q6_K weights
};
// Bytes of one block of one row, the same in every tile.
inline constexpr size_t kQuantBlockBytes = sizeof(QuantBlock<1>);
static_assert(sizeof(QuantBlock<8>) == 8 * kQuantBlockBytes && alignof(QuantBlock<8>) == 4);

constexpr size_t QuantRowBytes(int k) { return static_cast<size_t>(k / 32) * kQuantBlockBytes; }

// Rows [first, first + rows).
struct RowTile {
  int first = 0;
  int rows = 0;
};

// The tile that begins at row `first`. It has `largest` rows, or those that are left before `end`.
constexpr RowTile TileFrom(int first, int end, int largest) {
  return {first, end - first < largest ? end - first : largest};
}

// The tile that holds `row` of rows [0, end).
constexpr RowTile TileOf(int row, int end, int largest) {
  return TileFrom(row / largest * largest, end, largest);
}

// The same if no tile may hold rows on both sides of `split`.
constexpr RowTile TileOf(int row, int end, int split, int largest) {
  if (row < split) return TileOf(row, split, largest);
  const RowTile tile = TileOf(row - split, end - split, largest);
  return {split + tile.first, tile.rows};
}

}  // namespace exeunt::cpu
