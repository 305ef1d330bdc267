// Parses GGUF v2 and v3 files (little-endian) into metadata and tensors. Every length is checked against the
// file before anything is allocated. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
// gguf_model.h interprets the metadata of a model.
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

// The largest extent of header, metadata and tensor descriptions. A file above it is refused.
inline constexpr size_t kGgufMaxHeaderBytes = size_t{64} << 20;

// Parses a whole file's bytes. The views point into `file`. Every error begins with `name` (a path) and names
// the metadata key or tensor, the offset, the value and the limit. Duplicate names, tensors that overlap,
// element types that Exeunt does not know and arrays of arrays are errors, too.
Result<GgufContents> ParseGguf(std::span<const std::byte> file, const std::string& name);

}  // namespace exeunt
