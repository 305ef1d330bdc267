// Bpe is byte-pair encoding by ranked merges (Sennrich et al. 2016), as in GPT-2 and most later tokenizers. A
// piece starts as one symbol per character. The pair of lowest rank merges first, the leftmost of equals.
// Immutable. Thread-safe.
#pragma once

#include <array>
#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace exeunt::text {

struct BpeOptions {
  int32_t unknown = -1;        // token of a character without a token; -1: drops such characters
  bool fuse_unknown = false;   // gives one unknown token for a run of such characters
  bool byte_fallback = false;  // replaces such a character by its "<0x..>" tokens if all of them exist
  bool ignore_merges = false;  // does not split a piece that is a token
};

class Bpe : public TokenModel {
 public:
  // `merges[rank]` is a pair of token texts. Both, and the joined text, must be in `vocabulary`.
  static Result<std::unique_ptr<Bpe>> Make(std::shared_ptr<const Vocabulary> vocabulary,
                                           const std::vector<std::pair<std::string, std::string>>& merges,
                                           const BpeOptions& options);
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const override;

 private:
  struct Merge {
    int32_t rank = 0;
    int32_t id = 0;
  };
  class Queue;

  Bpe(std::shared_ptr<const Vocabulary> vocabulary, const BpeOptions& options);
  static uint64_t PairKey(int32_t left, int32_t right);
  int32_t FindCharacter(char32_t code, std::string_view text) const;
  void SplitCharacters(std::string_view piece, class SymbolList* symbols) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  BpeOptions options_;
  std::vector<int32_t> byte_tokens_;        // [256] with byte_fallback, else empty
  std::array<int32_t, 0x400> small_ids_{};  // tokens of characters below U+0400
  boost::unordered_flat_map<uint64_t, Merge> merges_;
};

}  // namespace exeunt::text
