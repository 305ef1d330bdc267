#include "text/tokenizer.h"
#include "text/utf8.h"

namespace exeunt::text {

Detokenizer::Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool render_special, bool continues)
    : tokenizer_(std::move(tokenizer)), render_special_(render_special) {
  state_.first = !continues;
  state_.at_start = !continues;
}

std::string Detokenizer::Push(int32_t token) {
  open_ += tokenizer_->NextPiece(token, render_special_, &state_);
  std::string out;
  open_.erase(0, AppendWellFormed(open_, &out));
  return out;
}

std::string Detokenizer::Flush() {
  std::string out(open_.empty() ? std::string_view() : kReplacementCharacter);
  open_.clear();
  return out;
}

}  // namespace exeunt::text
