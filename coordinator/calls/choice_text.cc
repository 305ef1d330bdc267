#include "coordinator/calls/choice_text.h"

#include <algorithm>

#include "coordinator/calls/likeliest_tokens.h"
#include "text/utf8.h"

namespace exeunt::coordinator {

ChoiceText::ChoiceText(std::shared_ptr<const text::Tokenizer> tokenizer, ChoiceTextOptions options)
    : tokenizer_(tokenizer),
      options_(std::move(options)),
      detokenizer_(tokenizer, options_.render_special, /*continues=*/true),
      stops_(options_.stops, options_.show_stop) {}

TokenLogprob ChoiceText::LogprobOf(const TokenEvent& token) const {
  TokenLogprob entry;
  entry.piece = tokenizer_->Piece(token.token, /*render_special=*/true);
  entry.logprob = token.logprob;
  entry.text_offset = options_.offset_chars + read_chars_;
  entry.top = LikeliestTokens(*tokenizer_, token.top);
  return entry;
}

void ChoiceText::Push(const TokenEvent& token, ChoiceBody* out) {
  if (stopped()) return;
  ++tokens_;
  logprob_sum_ += double{token.logprob};
  ++exits_by_layer_[token.exit_layer];
  out->exit_layers.push_back(token.exit_layer);
  const std::vector<int32_t>& ends = options_.end_tokens;
  if (!options_.show_stop && std::find(ends.begin(), ends.end(), token.token) != ends.end()) return;
  if (options_.logprobs) held_.push_back({LogprobOf(token), read_bytes_});
  const std::string text = detokenizer_.Push(token.token);
  read_bytes_ += text.size();
  read_chars_ += text::CountCharacters(text);
  const bool may_stop = tokens_ > static_cast<uint32_t>(options_.min_tokens);
  Show(may_stop ? stops_.Push(text) : text, /*last=*/false, out);
}

void ChoiceText::Finish(ChoiceBody* out) {
  if (stopped()) return;
  std::string text = stops_.Push(detokenizer_.Flush());
  if (!stopped()) text += stops_.Finish();
  Show(text, /*last=*/!stopped(), out);
}

// A token's log-probability is shown when its text begins to be shown. The tokens of a stop string are
// therefore dropped with it.
void ChoiceText::Show(std::string_view text, bool last, ChoiceBody* out) {
  out->text += text;
  shown_bytes_ += text.size();
  while (!held_.empty() && (last || held_.front().offset_bytes < shown_bytes_)) {
    out->logprobs.push_back(std::move(held_.front().logprob));
    held_.pop_front();
  }
}

}  // namespace exeunt::coordinator
