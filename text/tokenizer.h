// Tokenizer: text to token ids and back, from GGUF metadata or a Hugging Face tokenizer.json.
// Byte-level BPE with the model's own pre-tokenizer, SentencePiece BPE, and unigram. Immutable; thread-safe.
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

// Where a text that is being decoded stands: its start may lose what the tokenizer had put in front of it.
struct DecodeState {
  bool first = true;     // no token yet
  bool at_start = true;  // nothing but what was stripped yet
  int stripped = 0;      // characters
};

// Texts of the special tokens that have a name, as chat templates get them.
struct SpecialTokens {
  std::map<std::string, std::string> named;  // "bos_token", "eos_token", "unk_token", ... to text
  std::vector<std::string> additional;       // "additional_special_tokens"
};

class Tokenizer {
 public:
  // `embedding_rows`: token ids that the model has; what lies outside is an error or a warning
  // (FitToEmbedding). Errors name the key and value that is missing, unknown or wrong.
  static Result<std::shared_ptr<const Tokenizer>> FromGguf(const GgufMetadata& metadata,
                                                           int embedding_rows = kAnyRows);
  static Result<std::shared_ptr<const Tokenizer>> FromHfDirectory(const std::string& directory,
                                                                  int embedding_rows = kAnyRows);
  static constexpr int kAnyRows = std::numeric_limits<int>::max();

  virtual ~Tokenizer() = default;
  // parse_special: text such as "<|im_start|>" becomes its token. add_special: BOS/EOS as the model's own
  // tokenizer adds them. Ill-formed UTF-8 is read as U+FFFD, one for each maximal subpart. Where an
  // expression of the file meets its limit of steps, the rest of its piece stays whole. `text` is under 1
  // GiB: callers bound it.
  virtual std::vector<int32_t> Encode(std::string_view text, bool add_special, bool parse_special) const = 0;
  // The bytes that a token stands for: a piece may end inside a UTF-8 character. Out-of-range ids give "".
  virtual std::string Piece(int32_t token, bool render_special) const = 0;
  // As Piece, for the next token of a text; follows the model's decoder at the text's start.
  virtual std::string NextPiece(int32_t token, bool render_special, DecodeState* state) const = 0;
  // All of a sequence; what is not UTF-8 in the end is replaced by U+FFFD. Follows the model's decoder (e.g.
  // strips the leading space of SentencePiece).
  virtual std::string Decode(const std::vector<int32_t>& tokens, bool render_special) const = 0;
  virtual int vocab_size() const = 0;
  virtual int32_t bos() const = 0;  // -1: none
  // Every token that ends generation (EOS, end of turn), the file's own EOS first; never empty for a chat
  // model.
  virtual const std::vector<int32_t>& end_tokens() const = 0;
  // The token whose text is exactly `text`, or -1.
  virtual int32_t Find(std::string_view text) const = 0;
  // Those that the model's files name.
  virtual const SpecialTokens& special_tokens() const = 0;
  // What an operator should know of these files: tokens that cannot be used, and why.
  virtual const std::vector<std::string>& warnings() const = 0;
  // The model's own chat template, as it stands in the files.
  virtual const ChatTemplateText& chat_template() const = 0;
};

// Streaming detokenisation: bytes come out as soon as they end a whole UTF-8 character, never before. One per
// sequence.
class Detokenizer {
 public:
  // `continues`: the tokens go on from a prompt, so nothing is stripped from their start.
  Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool render_special, bool continues = false);
  // Text that this token completes; "" while a character is open.
  std::string Push(int32_t token);
  // What is left at the end; an unfinished character becomes U+FFFD. Push(...)s + Flush() == Decode(all).
  std::string Flush();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool render_special_;
  DecodeState state_;
  std::string open_;  // bytes of an unfinished character
};

}  // namespace exeunt::text
