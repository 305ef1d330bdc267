// GgufWriter builds the bytes of a GGUF file for tests. It checks nothing, so that tests can make hostile
// files with it or by changing the bytes of Build(). Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/write_file.h"
#include "kernels/dtype.h"

namespace exeunt {

class GgufWriter {
 public:
  void SetUint16(std::string_view key, uint16_t value);
  void SetInt32(std::string_view key, int32_t value);
  void SetUint32(std::string_view key, uint32_t value);
  void SetUint64(std::string_view key, uint64_t value);
  void SetFloat32(std::string_view key, float value);
  void SetBool(std::string_view key, bool value);
  void SetString(std::string_view key, std::string_view value);
  void SetStrings(std::string_view key, const std::vector<std::string>& values);
  void SetInt32s(std::string_view key, const std::vector<int32_t>& values);
  void SetFloat32s(std::string_view key, const std::vector<float>& values);
  // `type` is GGUF's number of a value type. `value` has its bytes as in the file.
  void SetRaw(std::string_view key, uint32_t type, std::string_view value);

  // `shape` has rows first, like TensorView. The data are placed in the order of the calls, aligned to 32
  // bytes.
  void AddTensor(std::string_view name, DType type, const std::vector<int64_t>& shape,
                 std::span<const std::byte> bytes);
  // The same for GGUF's number of a type and an unchecked offset in the data section.
  void AddRawTensor(std::string_view name, uint32_t type, const std::vector<uint64_t>& dimensions,
                    uint64_t offset);

  uint64_t n_tensors() const { return n_tensors_; }
  std::string Build(uint32_t version = 3) const;
  // Fails if the file cannot be written. The error names the path.
  Status WriteTo(const std::string& path) const;

 private:
  std::string pairs_;
  std::string tensors_;
  std::string data_;
  uint64_t n_pairs_ = 0;
  uint64_t n_tensors_ = 0;
};

}  // namespace exeunt
