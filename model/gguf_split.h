// A GGUF model in one file, or in the parts that llama.cpp's gguf-split makes of it: NAME-00001-of-0000N.gguf
// and so on, side by side. Every part has the keys split.no (from 0), split.count and split.tensors.count;
// the first has the model's metadata.
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
  GgufContents contents;                                 // metadata of the first part, tensors of all
  std::vector<std::shared_ptr<const MappedFile>> files;  // keep the tensors' bytes alive
};

// A model has at most so many parts.
inline constexpr int kGgufMaxParts = 1000;

// Opens a file and, where it is the first of several parts, the others beside it. Refused: a part that is not
// the first, one that is missing, named or numbered otherwise, or of another model; a tensor in two parts;
// another number of tensors than split.tensors.count. Errors name the file and the value.
Result<GgufFiles> OpenGgufFiles(const std::string& path);

// The name of a model: the stem of its file, without the "-00001-of-00003" of a part.
std::string GgufModelName(const std::filesystem::path& path);

}  // namespace exeunt
