// Bpe: byte-pair encoding by ranked merges (Sennrich et al. 2016), as GPT-2's and most tokenizers since use
// it. The piece starts as one symbol a character; the pair of lowest rank merges first, the leftmost of
// equals. Immutable; thread-safe.
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
  int32_t unknown = -1;        // for a character without a token; -1: such characters are dropped
  bool fuse_unknown = false;   // one unknown token for a run of them
  bool byte_fallback = false;  // a character without a token becomes its "<0x..>" tokens where all are there
  bool ignore_merges = false;  // a piece that is a token is not split
};

class Bpe : public TokenModel {
 public:
  // `merges[rank]` is a pair of token texts; they and what they make must be in `vocabulary`.
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
  std::array<int32_t, 0x400> small_ids_{};  // tokens of the characters below U+0400
  boost::unordered_flat_map<uint64_t, Merge> merges_;
};

}  // namespace exeunt::text
