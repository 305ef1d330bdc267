// Vocabulary maps token ids to texts and back. Immutable. Thread-safe.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt::text {

// The upper limit of ids of any tokenizer, exclusive. It bounds what a file may make us allocate.
inline constexpr int32_t kMaxVocabulary = 1 << 22;

class Vocabulary {
 public:
  // `texts[id]` is a token's text, and "" is no token. Of equal texts the last one is found.
  static Result<Vocabulary> Make(std::vector<std::string> texts);

  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int32_t size() const { return static_cast<int32_t>(texts_.size()); }
  const std::string& Text(int32_t id) const { return texts_[static_cast<size_t>(id)]; }
  // Returns -1 if there is no such token.
  int32_t Find(std::string_view text) const;
  // Returns the ids of "<0x00>" to "<0xFF>", with -1 for missing ones.
  std::vector<int32_t> ByteTokens() const;

 private:
  Vocabulary() = default;
  std::vector<std::string> texts_;
  boost::unordered_flat_map<std::string_view, int32_t> ids_;  // views into texts_
};

// Returns 10 for "<0x0A>", and -1 for any other text.
int ParseByteToken(std::string_view text);

}  // namespace exeunt::text
