// Charsmap: SentencePiece's precompiled normalisation rules (a double-array trie and a pool of replacements),
// applied the way the `tokenizers` package does. Immutable; thread-safe.
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
  // `blob`: u32 size of the trie in bytes, the trie's u32 units, then NUL-terminated replacements;
  // little-endian.
  static Result<Charsmap> Parse(std::string_view blob);
  // `text` is well-formed; so is the result.
  std::string Normalize(std::string_view text) const;

 private:
  Charsmap() = default;
  // The replacement of the shortest rule that is a prefix of `text`.
  std::optional<std::string_view> Find(std::string_view text) const;

  std::vector<uint32_t> units_;
  std::string pool_;
};

// nullopt: not base64.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace exeunt::text
