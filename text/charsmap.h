// Charsmap has SentencePiece's precompiled normalisation rules, a double-array trie and a pool of
// replacements. They are applied as the `tokenizers` package does. Immutable. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt::text {

class Charsmap {
 public:
  // `blob` has the size of the trie in bytes (u32), the trie's u32 units, and then NUL-terminated
  // replacements. Little-endian.
  static Result<Charsmap> Parse(std::string_view blob);
  // `text` and the result are well-formed.
  std::string Normalize(std::string_view text) const;

 private:
  Charsmap() = default;
  // Returns the replacement of the shortest rule that is a prefix of `text`.
  std::optional<std::string_view> Find(std::string_view text) const;

  std::vector<uint32_t> units_;
  std::string pool_;
};

// Returns nullopt if the text is not base64.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace exeunt::text
