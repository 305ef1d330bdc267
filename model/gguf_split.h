// Opens a GGUF model in one file or in several parts. llama.cpp's gguf-split names parts
// NAME-00001-of-0000N.gguf and so on and writes them side by side. Every part has the keys split.no (from 0),
// split.count and split.tensors.count. The first part has the model's metadata.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/mmap.h"
#include "base/result.h"
#include "model/gguf.h"

namespace exeunt {

struct GgufFiles {
  GgufContents contents;                                 // metadata of the first part, tensors of all parts
  std::vector<std::shared_ptr<const MappedFile>> files;  // owners of the tensors' bytes
};

// The largest number of parts of a model.
inline constexpr int kGgufMaxParts = 1000;

// Opens a file. If it is the first of several parts, the others beside it are opened, too. It is an error if
// `path` is another part than the first. A part must not be missing, have another name or number, or belong
// to another model. No tensor may be in two parts. The number of tensors must be split.tensors.count. Errors
// name the file and the value.
Result<GgufFiles> OpenGgufFiles(const std::string& path);

// Returns the name of a model, the stem of its file without a part's "-00001-of-00003".
std::string GgufModelName(const std::filesystem::path& path);

}  // namespace exeunt
