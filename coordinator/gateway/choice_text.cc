#include "coordinator/gateway/choice_text.h"

#include <algorithm>

#include "model/utf8.h"

namespace exeunt {

ChoiceText::ChoiceText(std::shared_ptr<const Tokenizer> tokenizer, std::vector<int32_t> end_tokens,
                       std::vector<std::string> stops, bool logprobs)
    : tokenizer_(tokenizer),
      end_tokens_(std::move(end_tokens)),
      detokenizer_(tokenizer, /*render_special=*/false, /*continues=*/true),
      stops_(std::move(stops)),
      logprobs_(logprobs) {}

TokenLogprob ChoiceText::LogprobOf(const proto::TokenEvent& token) const {
  TokenLogprob entry;
  entry.piece = tokenizer_->Piece(token.token(), /*render_special=*/true);
  entry.logprob = token.logprob();
  entry.text_offset = read_chars_;
  for (const proto::TokenLogprob& other : token.top()) {
    entry.top.emplace_back(tokenizer_->Piece(other.token(), /*render_special=*/true), other.logprob());
  }
  return entry;
}

void ChoiceText::Push(const proto::TokenEvent& token, ChoiceBody* out) {
  if (stopped()) return;
  ++tokens_;
  ++exits_by_layer_[token.exit_layer()];
  out->exit_layers.push_back(token.exit_layer());
  if (std::find(end_tokens_.begin(), end_tokens_.end(), token.token()) != end_tokens_.end()) return;
  if (logprobs_) held_.push_back({LogprobOf(token), read_bytes_});
  const std::string text = detokenizer_.Push(token.token());
  read_bytes_ += text.size();
  read_chars_ += CountCharacters(text);
  Show(stops_.Push(text), /*last=*/false, out);
}

void ChoiceText::Finish(ChoiceBody* out) {
  if (stopped()) return;
  std::string text = stops_.Push(detokenizer_.Flush());
  if (!stopped()) text += stops_.Finish();
  Show(text, /*last=*/!stopped(), out);
}

// A token's log-probability is shown once its text begins to be: a stop string takes its tokens with it.
void ChoiceText::Show(std::string_view text, bool last, ChoiceBody* out) {
  out->text += text;
  shown_bytes_ += text.size();
  while (!held_.empty() && (last || held_.front().offset_bytes < shown_bytes_)) {
    out->logprobs.push_back(std::move(held_.front().logprob));
    held_.pop_front();
  }
}

}  // namespace exeunt
