// Element types of stored tensors. GGUF fixes the block shapes of the quantised types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace exeunt {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kQ5_0,
  kQ5_1,
  kQ2_K,
  kQ3_K,
  kIQ4_NL,
  kIQ4_XS
};

inline constexpr DType kAllDTypes[] = {DType::kF32,  DType::kF16,    DType::kBF16,  DType::kQ8_0,
                                       DType::kQ4_0, DType::kQ4_1,   DType::kQ4_K,  DType::kQ5_K,
                                       DType::kQ6_K, DType::kQ5_0,   DType::kQ5_1,  DType::kQ2_K,
                                       DType::kQ3_K, DType::kIQ4_NL, DType::kIQ4_XS};

struct DTypeInfo {
  std::string_view name;  // name in GGUF tools, such as "Q4_K"
  int block_elements;     // elements of one block along K
  int block_bytes;
  uint32_t ggml_number;  // the type's number in a GGUF file
};

constexpr DTypeInfo Info(DType type) {
  switch (type) {
    case DType::kF32:
      return {"F32", 1, 4, 0};
    case DType::kF16:
      return {"F16", 1, 2, 1};
    case DType::kBF16:
      return {"BF16", 1, 2, 30};
    case DType::kQ8_0:
      return {"Q8_0", 32, 34, 8};
    case DType::kQ4_0:
      return {"Q4_0", 32, 18, 2};
    case DType::kQ4_1:
      return {"Q4_1", 32, 20, 3};
    case DType::kQ5_0:
      return {"Q5_0", 32, 22, 6};
    case DType::kQ5_1:
      return {"Q5_1", 32, 24, 7};
    case DType::kQ2_K:
      return {"Q2_K", 256, 84, 10};
    case DType::kQ3_K:
      return {"Q3_K", 256, 110, 11};
    case DType::kQ4_K:
      return {"Q4_K", 256, 144, 12};
    case DType::kQ5_K:
      return {"Q5_K", 256, 176, 13};
    case DType::kQ6_K:
      return {"Q6_K", 256, 210, 14};
    case DType::kIQ4_NL:
      return {"IQ4_NL", 32, 18, 20};
    case DType::kIQ4_XS:
      return {"IQ4_XS", 256, 136, 23};
  }
  return {"?", 1, 0, 0};
}

constexpr bool IsQuantised(DType type) { return Info(type).block_elements > 1; }

// Returns the bytes of a row. `elements` is a multiple of the block's elements.
constexpr size_t RowBytes(DType type, size_t elements) {
  const DTypeInfo info = Info(type);
  return elements / static_cast<size_t>(info.block_elements) * static_cast<size_t>(info.block_bytes);
}

}  // namespace exeunt
