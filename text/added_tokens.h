// AddedTokens are found in the text itself before the model sees it, such as "<|im_start|>". The leftmost
// token is found first, and of several at one place the longest. Tokens marked `normalized` are matched in
// normalised text, the others before. Immutable once built. Thread-safe.
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
  std::string text;          // text to match, normalised if `normalized`
  bool special = false;      // matched only if special tokens are asked for; not rendered by default
  bool single_word = false;  // not matched inside a word
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
};

class AddedTokens {
 public:
  // A part of a text. It is an added token (id >= 0) or the text between two of them.
  struct Part {
    std::string_view text;
    int32_t id = -1;
  };

  // The token's text must not be empty, and not over a limit, because its length determines the time of the
  // search. Errors name it.
  Status Add(AddedToken token);
  // Appends the parts of `text` in order.
  void Split(std::string_view text, bool parse_special, std::vector<Part>* parts) const;

 private:
  const AddedToken* LongestAt(std::string_view text) const;

  std::vector<AddedToken> tokens_;
  // A trie. (node << 8 | byte) maps to the next node. token_at_ has the token that ends at a node (-1: none).
  // Node 0 is the root.
  boost::unordered_flat_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> token_at_ = {-1};
  bool first_byte_[256] = {};
};

}  // namespace exeunt::text
