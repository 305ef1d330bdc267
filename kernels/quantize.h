// Converts F32 values to every stored type, rounded to nearest per block. It serves tests and matrices into
// which an adapter was merged. The blocks are valid and their values are close to the source. They are not
// the best blocks, because there is no search for the scale of least error.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/dtype.h"

namespace exeunt {

// `values` are finite, and their number is a multiple of the type's block. Returns RowBytes(type,
// values.size()) bytes.
std::vector<std::byte> QuantizeRow(DType type, std::span<const float> values);

}  // namespace exeunt
