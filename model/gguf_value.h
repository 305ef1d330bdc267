// Metadata of a GGUF file: key to value, as the file holds them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace exeunt {

// Integers are widened to int64 (uint64 that does not fit is refused by the parser), floats to double.
using GgufValue = std::variant<bool, int64_t, double, std::string, std::vector<bool>, std::vector<int64_t>,
                               std::vector<double>, std::vector<std::string>>;
using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

// The value of `key` as a T, or nullptr where it is missing or of another type.
template <typename T>
const T* FindGguf(const GgufMetadata& metadata, std::string_view key) {
  const auto it = metadata.find(key);
  return it == metadata.end() ? nullptr : std::get_if<T>(&it->second);
}

}  // namespace exeunt
