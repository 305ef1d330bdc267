// Tokenizer converts text to token ids and back, from GGUF metadata or a Hugging Face tokenizer.json. It
// supports byte-level BPE with the model's own pre-tokenizer, SentencePiece BPE, and unigram. Immutable.
// Thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf_value.h"
#include "text/chat_template_text.h"

namespace exeunt::text {

// The state of a text that is being decoded. Its start may lose what the tokenizer had put in front of it.
struct DecodeState {
  bool first = true;     // no token so far
  bool at_start = true;  // nothing but stripped characters so far
  int stripped = 0;      // number of stripped characters
};

// The texts of the named special tokens, for chat templates.
struct SpecialTokens {
  std::map<std::string, std::string> named;  // "bos_token", "eos_token", "unk_token", ... to text
  std::vector<std::string> additional;       // "additional_special_tokens"
};

class Tokenizer {
 public:
  // `embedding_rows` is the number of token ids that the model has. An id above it is an error or a warning
  // (FitToEmbedding). Errors name the key and value that is missing, unknown or wrong.
  static Result<std::shared_ptr<const Tokenizer>> FromGguf(const GgufMetadata& metadata,
                                                           int embedding_rows = kAnyRows);
  static Result<std::shared_ptr<const Tokenizer>> FromHfDirectory(const std::string& directory,
                                                                  int embedding_rows = kAnyRows);
  static constexpr int kAnyRows = std::numeric_limits<int>::max();

  virtual ~Tokenizer() = default;
  // With parse_special a text such as "<|im_start|>" becomes its token. With add_special BOS and EOS are
  // added as by the model's own tokenizer. Ill-formed UTF-8 is read as U+FFFD, one for each maximal subpart.
  // If an expression of the file reaches its limit of steps, the rest of its piece is not split. The caller
  // must keep `text` under 1 GiB.
  virtual std::vector<int32_t> Encode(std::string_view text, bool add_special, bool parse_special) const = 0;
  // Returns the bytes of a token. A piece may end inside a UTF-8 character. Ids out of range give "".
  virtual std::string Piece(int32_t token, bool render_special) const = 0;
  // Like Piece, for the next token of a text. It follows the model's decoder at the text's start.
  virtual std::string NextPiece(int32_t token, bool render_special, DecodeState* state) const = 0;
  // Decodes a whole sequence. Bytes that are not UTF-8 are replaced by U+FFFD. It follows the model's
  // decoder, which e.g. strips the leading space of SentencePiece.
  virtual std::string Decode(const std::vector<int32_t>& tokens, bool render_special) const = 0;
  virtual int vocab_size() const = 0;
  virtual int32_t bos() const = 0;  // -1 if there is none
  // Every token that ends generation (EOS, end of turn), with the file's own EOS first. It is never empty for
  // a chat model.
  virtual const std::vector<int32_t>& end_tokens() const = 0;
  // Returns the token whose text is exactly `text`, or -1.
  virtual int32_t Find(std::string_view text) const = 0;
  // The special tokens that the model's files name.
  virtual const SpecialTokens& special_tokens() const = 0;
  // Notes for an operator on these files, such as unusable tokens with the reason.
  virtual const std::vector<std::string>& warnings() const = 0;
  // The model's own chat template, unchanged.
  virtual const ChatTemplateText& chat_template() const = 0;
};

// Detokenizer decodes a stream. Bytes come out as soon as they end a whole UTF-8 character, never before.
// Each sequence needs its own.
class Detokenizer {
 public:
  // `continues` says that the tokens continue a prompt, so that nothing is stripped from their start.
  Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool render_special, bool continues = false);
  // Returns the text that this token completes, or "" while a character is open.
  std::string Push(int32_t token);
  // Returns the rest at the end. An unfinished character becomes U+FFFD. Push(...)s + Flush() == Decode(all).
  std::string Flush();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool render_special_;
  DecodeState state_;
  std::string open_;  // bytes of an unfinished character
};

}  // namespace exeunt::text
