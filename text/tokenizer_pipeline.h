// TokenizerPipeline runs every kind of tokenizer as the same steps. These are added tokens, normalizers,
// pre-tokenizers, the model, special tokens around the text, and a table for decoding. The readers of GGUF
// and tokenizer.json fill them in.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <memory>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/token_decoder.h"
#include "text/token_model.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace exeunt::text {

struct TokenizerParts {
  std::shared_ptr<const Vocabulary> vocabulary;  // the model's vocabulary
  boost::unordered_flat_map<std::string, int32_t> added_ids;
  AddedTokens added;             // matched in the unchanged text
  AddedTokens added_normalized;  // matched in normalised text
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  std::unique_ptr<TokenModel> model;
  std::vector<int32_t> prefix;  // tokens that add_special puts in front
  std::vector<int32_t> suffix;  // tokens that add_special puts at the end
  DecodingTable decoding;       // [vocabulary and added tokens]
  std::vector<bool> special;    // [vocabulary and added tokens]: not rendered by default
  int32_t bos = -1;
  std::vector<int32_t> end_tokens;
  SpecialTokens special_tokens;
  ChatTemplateText chat_template;
  std::vector<std::string> warnings;

  // Adds an end token if it is not among them.
  void AddEnd(int32_t id);
};

// Compares the ids with the model's embedding of `rows` rows. Ids outside of it cannot be used. An id that is
// put around each text is an error. A begin or end token is dropped with a warning. The caller must refuse
// text with any other such id.
Status FitToEmbedding(int rows, TokenizerParts* parts);

class TokenizerPipeline : public Tokenizer {
 public:
  explicit TokenizerPipeline(TokenizerParts parts);
  std::vector<int32_t> Encode(std::string_view text, bool add_special, bool parse_special) const override;
  std::string Piece(int32_t token, bool render_special) const override;
  std::string NextPiece(int32_t token, bool render_special, DecodeState* state) const override;
  std::string Decode(const std::vector<int32_t>& tokens, bool render_special) const override;
  int vocab_size() const override { return static_cast<int>(parts_.decoding.pieces.size()); }
  int32_t bos() const override { return parts_.bos; }
  const std::vector<int32_t>& end_tokens() const override { return parts_.end_tokens; }
  int32_t Find(std::string_view text) const override;
  const SpecialTokens& special_tokens() const override { return parts_.special_tokens; }
  const ChatTemplateText& chat_template() const override { return parts_.chat_template; }
  const std::vector<std::string>& warnings() const override { return parts_.warnings; }

 private:
  bool Renders(int32_t token, bool render_special) const;
  void EncodePart(std::string_view text, bool at_start, bool parse_special, RegexScratch* scratch,
                  std::vector<int32_t>* ids) const;

  TokenizerParts parts_;
};

}  // namespace exeunt::text
