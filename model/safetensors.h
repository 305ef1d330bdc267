// SafetensorsFile: one .safetensors file, mapped. Immutable after Open; thread-safe. Views live as long as
// the file. Format: https://github.com/huggingface/safetensors#format
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mmap.h"
#include "base/result.h"
#include "model/tensor_table.h"

namespace exeunt {

// Parses a whole file's bytes; the views point into `file` and promise no alignment. `name` (a path) stands
// in front of every error, which names tensor, offset, value and limit. As the format demands, the tensors
// fill the data section without gap or overlap. F32, F16 and BF16 are supported.
Result<TensorTable> ParseSafetensors(std::span<const std::byte> file, const std::string& name);

class SafetensorsFile {
 public:
  static Result<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path);

  // nullptr where the file has no such tensor.
  const TensorView* Find(std::string_view name) const { return tensors_.Find(name); }
  const std::vector<TensorView>& tensors() const { return tensors_.all(); }
  // A tensor's numbers. The error names the tensor where it is missing, has another shape (which it names,
  // too) or a number that is not finite.
  Result<std::vector<float>> ReadFloats(const std::string& name, const std::vector<int64_t>& shape) const;
  const std::shared_ptr<const MappedFile>& file() const { return file_; }

 private:
  SafetensorsFile(std::shared_ptr<const MappedFile> file, TensorTable tensors)
      : file_(std::move(file)), tensors_(std::move(tensors)) {}

  std::shared_ptr<const MappedFile> file_;
  TensorTable tensors_;
};

}  // namespace exeunt
