// The memory layout of a block of 16 columns of a PackedMatrix, with functions that pack and unpack it. A
// block is
//   kF32, kF16, kBF16   1 k: [16] elements
//   32 or 256 k:             d[16] half; with a minimum dmin[16] half; scales; low bits; high bits
//   scales                   of blocks of 256 only:
//                            kQ4_K, kQ5_K      [8][16] u8, then mins the same
//                            kQ3_K, kQ6_K      [16][16] s8
//                            kIQ4_XS           [8][16] s8
//                            kQ2_K             [16][16] u8: scale | min << 4
// For each 32 k there are the following planes (j < 4, i < 4). Byte 4c + i belongs to column c.
//   low bits                 8-bit codes:      [8][64]: k = 4j + i of plane j (j < 8)
//                            4 to 6 bits:      [4][64]: low nibble k = 4j + i, high nibble k = 16 + 4j + i
//                            2 and 3 bits:     [2][64]: bits 2j.. of plane h are k = 16h + 4j + i
//   high bits                1 bit (5th, 3rd): [64]:    bit j of byte 4c + i is k = 4j + i (j < 8)
//                            2 bits (6 bits):  [2][64]: as the low bits of 2-bit codes
// All low bits of a block come before its high bits. block_codes.h defines the codes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace exeunt {

inline constexpr int kGroupColumns = 16;

// Returns the bytes of a block of 16 columns.
size_t PackedBlockBytes(DType dtype);
// Packs column c of a block from its stored form. dst must be zeroed.
void PackBlock(DType dtype, const std::byte* src, size_t c, uint8_t* dst);
// Unpacks column c of a block to F32. dst: [Info(dtype).block_elements].
void UnpackBlock(DType dtype, const uint8_t* src, size_t c, float* dst);

}  // namespace exeunt
