// Converts a row of a tensor of any stored type to F32. This is the reference meaning of every type. It is
// slow and exact. Loaders use it for small tensors, and tests compare with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/dtype.h"

namespace exeunt {

float HalfToFloat(uint16_t half);
// Rounds to nearest even, with overflow to infinity, as F16C does.
uint16_t FloatToHalf(float value);
float Bf16ToFloat(uint16_t bits);

// src: RowBytes(type, n) bytes with any alignment. dst: [n]. n is a multiple of the block's elements.
void DequantizeRow(DType type, const std::byte* src, float* dst, size_t n);

}  // namespace exeunt
