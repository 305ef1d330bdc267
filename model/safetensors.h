// SafetensorsFile is one mapped .safetensors file. Immutable after Open. Thread-safe. Views are valid during
// the life of the file. Format: https://github.com/huggingface/safetensors#format
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

// Parses a whole file's bytes. The views point into `file` and may have any alignment. Every error begins
// with `name` (a path) and names tensor, offset, value and limit. The tensors must fill the data section
// without gap or overlap, as the format demands. F32, F16 and BF16 are supported.
Result<TensorTable> ParseSafetensors(std::span<const std::byte> file, const std::string& name);

class SafetensorsFile {
 public:
  static Result<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path);

  // Returns nullptr if the file has no such tensor.
  const TensorView* Find(std::string_view name) const { return tensors_.Find(name); }
  const std::vector<TensorView>& tensors() const { return tensors_.all(); }
  // Returns the numbers of a tensor. It is an error if the tensor is missing, has another shape or has a
  // number that is not finite. The error names the tensor and the other shape.
  Result<std::vector<float>> ReadFloats(const std::string& name, const std::vector<int64_t>& shape) const;
  const std::shared_ptr<const MappedFile>& file() const { return file_; }

 private:
  SafetensorsFile(std::shared_ptr<const MappedFile> file, TensorTable tensors)
      : file_(std::move(file)), tensors_(std::move(tensors)) {}

  std::shared_ptr<const MappedFile> file_;
  TensorTable tensors_;
};

}  // namespace exeunt
