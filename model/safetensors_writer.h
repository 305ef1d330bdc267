// SafetensorsWriter: the bytes of a .safetensors file. Not thread-safe.
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
  // F32, F16 or BF16; the data are placed in the order of the calls. `name` needs no JSON escapes.
  void AddTensor(std::string_view name, DType type, const std::vector<int64_t>& shape,
                 std::span<const std::byte> bytes);

  std::string Build() const;
  // Fails, naming the path, where the file cannot be written.
  Status WriteTo(const std::string& path) const;

  // A file with any text as its header: how hostile files are made.
  static std::string BuildRaw(std::string_view header, std::string_view data);

 private:
  std::string entries_;
  std::string data_;
};

}  // namespace exeunt
