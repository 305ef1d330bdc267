// GgufKeys gives typed access to the metadata of a GGUF file below "{architecture}.". It also judges the keys
// that nobody reads. Every getter tells a missing key from a wrong one. Errors name the key, its value and
// what is allowed. Keys and defaults are those of llama.cpp:
// https://github.com/ggml-org/llama.cpp/blob/master/src/llama-arch.cpp
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf_value.h"

namespace exeunt {

// A view of the metadata, which must outlive it. Not thread-safe.
class GgufKeys {
 public:
  GgufKeys(const GgufMetadata& metadata, const std::string& architecture)
      : metadata_(metadata), prefix_(architecture + ".") {}

  // The value is in [0, INT_MAX].
  Result<std::optional<int>> Int(std::string_view key) const;
  Result<int> RequiredInt(std::string_view key) const;
  // Like Int, for a key that may hold one number for each layer. All of these numbers must be equal.
  Result<std::optional<int>> IntOfLayers(std::string_view key) const;
  Result<int> RequiredIntOfLayers(std::string_view key) const;
  Result<float> Float(std::string_view key, float fallback) const;
  Result<std::string> String(std::string_view key, std::string_view fallback) const;
  bool Contains(std::string_view key) const { return metadata_.contains(Name(key)); }
  std::string Name(std::string_view key) const { return prefix_ + std::string(key); }

  // Returns the names of the keys that are not read and do not change the computation. A key that would
  // change it is an error. Such a key has a value that is not neutral, and llama.cpp uses it for other
  // architectures.
  Result<std::vector<std::string>> Unread() const;

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

}  // namespace exeunt
