// Unigram finds the split of a piece with the highest sum of token scores (Kudo 2018), by Viterbi over a
// trie. Immutable. Thread-safe.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace exeunt::text {

class Unigram : public TokenModel {
 public:
  // `scores[id]` are log-probabilities. `unknown` is the token of a run of characters without a token. With
  // `byte_fallback` the run becomes its byte tokens if all of them exist.
  static Result<std::unique_ptr<Unigram>> Make(std::shared_ptr<const Vocabulary> vocabulary,
                                               std::vector<double> scores, int32_t unknown,
                                               bool byte_fallback);
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const override;

 private:
  struct Step {
    double score = 0.0;
    int32_t id = -1;
    int64_t from = -1;  // -1 if not reached
  };
  Unigram() = default;
  Status BuildTrie();
  void AppendUnknown(std::string_view text, std::vector<int32_t>* ids) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<double> scores_;
  int32_t unknown_ = 0;
  double unknown_score_ = 0.0;
  std::vector<int32_t> byte_tokens_;  // [256] with byte_fallback, else empty
  // The trie. (node << 8 | byte) maps to the next node. token_at_ has the token that ends at a node (-1:
  // none).
  boost::unordered_flat_map<uint64_t, uint32_t> edges_;
  std::vector<int32_t> token_at_;
};

}  // namespace exeunt::text
