// The metadata of a GGUF file as a map from key to value.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace exeunt {

// Integers are widened to int64. The parser refuses a uint64 that does not fit. Floats are widened to double.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;
using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

// Returns the value of `key` as a T, or nullptr if it is missing or has another type.
template <typename T>
const T* FindGguf(const GgufMetadata& metadata, std::string_view key) {
  const auto it = metadata.find(key);
  return it == metadata.end() ? nullptr : std::get_if<T>(&it->second);
}

}  // namespace exeunt
