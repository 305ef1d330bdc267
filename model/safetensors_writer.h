// SafetensorsWriter builds the bytes of a .safetensors file. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/dtype.h"

namespace exeunt {

class SafetensorsWriter {
 public:
  // Adds a tensor of type F32, F16 or BF16. The data are placed in the order of the calls. `name` must not
  // need JSON escapes.
  void AddTensor(std::string_view name, DType type, const std::vector<int64_t>& shape,
                 std::span<const std::byte> bytes);

  std::string Build() const;
  // Fails if the file cannot be written. The error names the path.
  Status WriteTo(const std::string& path) const;

  // Builds a file with any text as its header, for tests with hostile files.
  static std::string BuildRaw(std::string_view header, std::string_view data);

 private:
  std::string entries_;
  std::string data_;
};

}  // namespace exeunt
