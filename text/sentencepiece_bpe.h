// SentencePieceBpe is BPE without a list of merges, as in a GGUF file of model "llama". Of all adjacent
// symbols that form a token, those of the highest score merge first, the leftmost of equals (Kudo &
// Richardson 2018). A character without a token becomes its byte tokens. Immutable. Thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "text/token_model.h"
#include "text/vocabulary.h"

namespace exeunt::text {

class SentencePieceBpe : public TokenModel {
 public:
  // `scores[id]` is the score of a token. `mergeable[id]` distinguishes normal tokens from control and byte
  // tokens, which merges never form. `unknown` stands for a byte without a token. -1 drops it.
  static Result<std::unique_ptr<SentencePieceBpe>> Make(std::shared_ptr<const Vocabulary> vocabulary,
                                                        std::vector<float> scores,
                                                        std::vector<bool> mergeable, int32_t unknown);
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const override;

 private:
  SentencePieceBpe() = default;
  int32_t FindMergeable(std::string_view text) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<float> scores_;
  std::vector<bool> mergeable_;
  std::vector<int32_t> byte_tokens_;  // [256]
  int32_t unknown_ = -1;
  size_t longest_bytes_ = 0;
};

}  // namespace exeunt::text
