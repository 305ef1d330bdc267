// F32 values to every stored type, rounded to nearest per block: for matrices that an adapter was merged
// into, and for tests. Valid blocks whose values are close to the source, not the best ones: no search for
// the scale of least error.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/dtype.h"

namespace exeunt {

// `values` are finite and a multiple of the type's block; returns RowBytes(type, values.size()) bytes.
std::vector<std::byte> QuantizeRow(DType type, std::span<const float> values);

}  // namespace exeunt
