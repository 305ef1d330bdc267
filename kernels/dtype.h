// Element types of stored tensors, with the block shapes that GGUF fixes for the quantised ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace exeunt {

enum class DType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ4_K, kQ5_K, kQ6_K };

struct DTypeInfo {
  std::string_view name;  // as GGUF tools print it: "Q4_K"
  int block_elements;     // elements of one block along K
  int block_bytes;
};

constexpr DTypeInfo Info(DType type) {
  switch (type) {
    case DType::kF32:
      return {"F32", 1, 4};
    case DType::kF16:
      return {"F16", 1, 2};
    case DType::kBF16:
      return {"BF16", 1, 2};
    case DType::kQ8_0:
      return {"Q8_0", 32, 34};
    case DType::kQ4_0:
      return {"Q4_0", 32, 18};
    case DType::kQ4_1:
      return {"Q4_1", 32, 20};
    case DType::kQ4_K:
      return {"Q4_K", 256, 144};
    case DType::kQ5_K:
      return {"Q5_K", 256, 176};
    case DType::kQ6_K:
      return {"Q6_K", 256, 210};
  }
  return {"?", 1, 0};
}

// Bytes of a row of `elements` (a multiple of the block's elements).
constexpr size_t RowBytes(DType type, size_t elements) {
  const DTypeInfo info = Info(type);
  return elements / static_cast<size_t>(info.block_elements) * static_cast<size_t>(info.block_bytes);
}

}  // namespace exeunt
