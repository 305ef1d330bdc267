// AddedTokens: tokens that are found in the text itself, before the model sees it ("<|im_start|>"): the
// leftmost, of those the longest. Tokens marked `normalized` are matched against normalised text, the others
// before. Immutable once built; thread-safe.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt::text {

struct AddedToken {
  int32_t id = -1;
  std::string text;          // as matched: normalised where `normalized`
  bool special = false;      // matched only where special tokens are asked for; not rendered by default
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes white space before it
  bool rstrip = false;       // takes white space after it
};

class AddedTokens {
 public:
  // A stretch of a text: an added token (id >= 0), or what lies between.
  struct Part {
    std::string_view text;
    int32_t id = -1;
  };

  // The text must not be empty, and not over a limit (the search takes time in it); errors name it.
  Status Add(AddedToken token);
  // Appends the parts of `text` in order.
  void Split(std::string_view text, bool parse_special, std::vector<Part>* parts) const;

 private:
  const AddedToken* LongestAt(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  // A trie: (node << 8 | byte) to the next node; the token that ends at a node (-1: none). Node 0 is the
  // root.
  boost::unordered_flat_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> token_at_ = {-1};
  bool first_byte_[256] = {};
};

}  // namespace exeunt::text
