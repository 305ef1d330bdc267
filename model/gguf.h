// GGUF v2 and v3 files (little-endian): metadata and tensors, with every length checked against the file
// before anything is allocated. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md What the
// metadata mean for a model is gguf_model.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "model/gguf_value.h"
#include "model/tensor_table.h"

namespace exeunt {

struct GgufContents {
  uint32_t version = 0;
  GgufMetadata metadata;
  TensorTable tensors;
};

// Header, metadata and tensor descriptions lie within this many bytes, or the file is refused.
inline constexpr size_t kGgufMaxHeaderBytes = size_t{64} << 20;

// Parses a whole file's bytes. The views point into `file`. `name` (a path) stands in front of every error,
// which names metadata key or tensor, offset, value and limit. Refused too: duplicate names, tensors that
// overlap, element types that Exeunt does not know, arrays of arrays.
Result<GgufContents> ParseGguf(std::span<const std::byte> file, const std::string& name);

}  // namespace exeunt
