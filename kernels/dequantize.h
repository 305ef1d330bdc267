// The reference meaning of every stored element type: bytes of a tensor's row to F32.
// Slow and exact; used by loaders for small tensors, and by tests as the truth.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace exeunt {

float HalfToFloat(uint16_t half);
// Round to nearest even, overflow to infinity; as F16C does.
uint16_t FloatToHalf(float value);
float Bf16ToFloat(uint16_t bits);

// src: RowBytes(type, n) bytes, no alignment asked; dst: [n]. n is a multiple of the block's elements.
void DequantizeRow(DType type, const std::byte* src, float* dst, size_t n);

}  // namespace exeunt
