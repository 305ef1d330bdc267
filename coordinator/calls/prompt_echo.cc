#include "coordinator/calls/prompt_echo.h"

#include <iterator>
#include <utility>

#include "coordinator/calls/likeliest_tokens.h"
#include "text/utf8.h"

namespace exeunt::coordinator {

PromptEcho::PromptEcho(std::shared_ptr<const text::Tokenizer> tokenizer, const PromptInput& prompt,
                       const std::vector<int32_t>& tokens, bool logprobs)
    : tokenizer_(std::move(tokenizer)) {
  const auto* given = std::get_if<std::string>(&prompt);
  text_ = given != nullptr ? *given : tokenizer_->Decode(tokens, /*render_special=*/true);
  if (logprobs) ListTokens(prompt, tokens);
}

// A BOS that the tokenizer put before a text is not part of the echo.
void PromptEcho::ListTokens(const PromptInput& prompt, const std::vector<int32_t>& tokens) {
  const auto* given = std::get_if<std::string>(&prompt);
  const std::string bos = tokenizer_->Piece(tokenizer_->bos(), /*render_special=*/true);
  const bool added = given != nullptr && tokens.front() == tokenizer_->bos() && !given->starts_with(bos);
  text::Detokenizer detokenizer(tokenizer_, /*render_special=*/true);
  size_t characters = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    TokenLogprob& entry = logprobs_.emplace_back();
    entry.piece = tokenizer_->Piece(tokens[i], /*render_special=*/true);
    entry.text_offset = characters;
    const size_t read = text::CountCharacters(detokenizer.Push(tokens[i]));
    if (i > 0 || !added) characters += read;
  }
}

void PromptEcho::Add(const PromptScore& score) {
  if (score.position >= logprobs_.size() || logprobs_[score.position].logprob) return;
  TokenLogprob& entry = logprobs_[score.position];
  entry.logprob = score.logprob;
  entry.top = LikeliestTokens(*tokenizer_, score.top);
  ++scored_;
}

void PromptEcho::MoveTo(ChoiceBody* out) {
  out->text.insert(0, text_);
  out->logprobs.insert(out->logprobs.begin(), std::make_move_iterator(logprobs_.begin()),
                       std::make_move_iterator(logprobs_.end()));
}

}  // namespace exeunt::coordinator
