// GgufKeys: typed access to the metadata of a GGUF file below "{architecture}.", and what becomes of the keys
// that nobody reads. Every getter tells missing from wrong; errors name the key, its value and what is
// allowed. Keys and defaults are llama.cpp's:
// https://github.com/ggml-org/llama.cpp/blob/master/src/llama-arch.cpp
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf_value.h"

namespace exeunt {

// Views the metadata, which outlive it. Not thread-safe.
class GgufKeys {
 public:
  GgufKeys(const GgufMetadata& metadata, const std::string& architecture)
      : metadata_(metadata), prefix_(architecture + ".") {}

  // 0 to INT_MAX.
  Result<std::optional<int>> Int(std::string_view key) const;
  Result<int> RequiredInt(std::string_view key) const;
  // As Int, for a key that may hold one number for each layer: they are all the same.
  Result<std::optional<int>> IntOfLayers(std::string_view key) const;
  Result<int> RequiredIntOfLayers(std::string_view key) const;
  Result<float> Float(std::string_view key, float fallback) const;
  Result<std::string> String(std::string_view key, std::string_view fallback) const;
  bool Contains(std::string_view key) const { return metadata_.contains(Name(key)); }
  std::string Name(std::string_view key) const { return prefix_ + std::string(key); }

  // The names of the keys that change nothing in what is computed, and are not read. An error for a key that
  // would change it: llama.cpp computes something from it for other architectures, and its value is not the
  // neutral one.
  Result<std::vector<std::string>> Unread() const;

 private:
  const GgufMetadata& metadata_;
  std::string prefix_;
};

}  // namespace exeunt
