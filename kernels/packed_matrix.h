// PackedMatrix is a weight matrix [n, k] in the layout that the CPU kernels read. Groups of 16 output columns
// are interleaved, so that a vector lane is an output column and every sum over k runs in ascending order. A
// group holds its k-blocks in order. packed_block.h has the layout of a block. Immutable after PackRows.
// Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/dtype.h"
#include "kernels/packed_block.h"

namespace exeunt {

// PackedArena allocates the matrices of a stage side by side, in the order of their allocation, on huge
// pages. A step reads them in that order, and only long sequential reads reach the memory's full speed. A
// block of the arena lives as long as any matrix in it. Not thread-safe.
class PackedArena {
 public:
  // Returns zeroed memory that is aligned for the kernels.
  std::shared_ptr<uint8_t> Allocate(size_t bytes);

 private:
  std::shared_ptr<uint8_t> block_;
  size_t size_ = 0;
  size_t used_ = 0;
};

class PackedMatrix {
 public:
  PackedMatrix() = default;
  // Makes a matrix of n output columns with k inputs. k is a multiple of the type's block. PackRows fills it.
  PackedMatrix(DType dtype, int n, int k, PackedArena* arena);

  // Packs rows [first, first + count) of the matrix from `src`, which has count rows of RowBytes(dtype, k)
  // bytes. Rows of several tensors may be stacked. Q, K and V become one matrix in this way.
  void PackRows(int first, int count, const std::byte* src);

  DType dtype() const { return dtype_; }
  int n() const { return n_; }
  int k() const { return k_; }
  int groups() const { return (n_ + kGroupColumns - 1) / kGroupColumns; }
  bool empty() const { return n_ == 0; }
  size_t group_bytes() const { return group_bytes_; }
  size_t bytes() const { return group_bytes_ * static_cast<size_t>(groups()); }
  const uint8_t* group(int g) const { return data_.get() + group_bytes_ * static_cast<size_t>(g); }
  // Reads back a row as F32, for tests and for embedding look-ups of a tied head. dst: [k].
  void UnpackRow(int row, float* dst) const;

 private:
  DType dtype_ = DType::kF32;
  int n_ = 0;
  int k_ = 0;
  size_t block_bytes_ = 0;
  size_t group_bytes_ = 0;
  std::shared_ptr<uint8_t> data_;
};

}  // namespace exeunt
