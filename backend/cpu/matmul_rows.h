// MatmulRows holds rows of F32 for a matmul and quantises them if the weights need it. It keeps its memory.
// Several threads may fill rows at once, each row by one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/linear.h"
#include "kernels/cpu/ops.h"
#include "kernels/cpu/quant_rows.h"

namespace exeunt {

class MatmulRows {
 public:
  explicit MatmulRows(const cpu::Ops& ops) : ops_(ops) {}

  // Makes room for `rows` rows of k numbers, which are also quantised if `quantised`. The first `split` rows
  // may be multiplied alone.
  void Reset(int rows, int split, int k, bool quantised) {
    rows_ = rows;
    split_ = split;
    k_ = k;
    quantised_ = quantised;
    const size_t floats = Size(rows) * Size(k);
    if (x_.size() < floats) x_.resize(floats);
    const size_t bytes = quantised ? Size(rows) * cpu::QuantRowBytes(k) : 0;
    if (quant_.size() < bytes) quant_.resize(bytes);
  }
  // Makes room for the input of `consumer`.
  void Reset(int rows, const Linear& consumer) { Reset(rows, rows, consumer.k(), consumer.quantised()); }

  float* row(int r) { return x_.data() + Size(r) * Size(k_); }
  // Says that row r is complete, or that its columns [column, column + n) are. Both numbers are multiples of
  // 32.
  void Ready(int r) { Ready(r, 0, k_); }
  void Ready(int r, int column, int n) {
    if (!quantised_) return;
    const cpu::RowTile tile = cpu::TileOf(r, rows_, split_, ops_.row_tile);
    uint8_t* at = quant_.data() + Size(tile.first) * cpu::QuantRowBytes(k_);
    ops_.quantize(row(r) + column, n, column / 32, {at, tile.rows, r - tile.first});
  }

  // Makes Alone possible until the next Reset.
  void KeepAlone() {
    const size_t bytes = quantised_ ? Size(rows_) * cpu::QuantRowBytes(k_) : 0;
    if (alone_.size() < bytes) alone_.resize(bytes);
  }
  // Returns row r, which is filled, as an input of its own.
  cpu::MatmulInput Alone(int r) {
    if (!quantised_) return {1, 1, row(r), nullptr};
    uint8_t* tile = alone_.data() + Size(r) * cpu::QuantRowBytes(k_);
    ops_.quantize(row(r), k_, 0, {tile, 1, 0});
    return {1, 1, row(r), tile};
  }

  cpu::MatmulInput all() const { return {rows_, split_, x_.data(), quant_.data()}; }
  cpu::MatmulInput front() const { return {split_, split_, x_.data(), quant_.data()}; }

 private:
  static size_t Size(int n) { return static_cast<size_t>(n); }

  const cpu::Ops& ops_;
  int rows_ = 0;
  int split_ = 0;
  int k_ = 0;
  bool quantised_ = false;
  std::vector<float> x_;
  std::vector<uint8_t> quant_;
  std::vector<uint8_t> alone_;  // each row as a tile of its own
};

}  // namespace exeunt
