// Vocabulary: token ids to texts and back. Immutable; thread-safe.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt::text {

// Largest id of any tokenizer, exclusive: what a file may make us allocate.
inline constexpr int32_t kMaxVocabulary = 1 << 22;

class Vocabulary {
 public:
  // `texts[id]` is a token's text; "" is no token. Of equal texts the last one is found.
  static Result<Vocabulary> Make(std::vector<std::string> texts);

  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  const std::string& Text(int32_t id) const { return texts_[static_cast<size_t>(id)]; }
  // -1: no such token.
  int32_t Find(std::string_view text) const;
  // Ids of "<0x00>" to "<0xFF>"; -1 for those that are not there.
  std::vector<int32_t> ByteTokens() const;

 private:
  Vocabulary() = default;
  std::vector<std::string> texts_;
  boost::unordered_flat_map<std::string_view, int32_t> ids_;  // views into texts_
};

// "<0x0A>" gives 10; -1 for any other text.
int ParseByteToken(std::string_view text);

}  // namespace exeunt::text
