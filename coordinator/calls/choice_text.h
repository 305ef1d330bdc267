// ChoiceText: the tokens of one sequence as the client sees them: text, log-probabilities, exit layers.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/calls/stop_matcher.h"
#include "coordinator/core/token_event.h"
#include "coordinator/openai/response.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

struct ChoiceTextOptions {
  std::vector<int32_t> end_tokens;
  std::vector<std::string> stops;  // looked for behind the first min_tokens tokens
  int min_tokens = 0;
  bool logprobs = false;
  bool render_special = false;  // special tokens are shown
  bool show_stop = false;       // so are the stop string and the end token that end the text
  size_t offset_chars = 0;      // of the text that is shown before it
};

// Not thread-safe. What Push and Finish add to `out`, joined, is the same however the tokens arrive. End
// tokens are counted and, without show_stop, never shown; nor is anything of a stop string, nor the
// log-probabilities of tokens that lie in it.
class ChoiceText {
 public:
  ChoiceText(std::shared_ptr<const text::Tokenizer> tokenizer, ChoiceTextOptions options);

  // Adds what the token lets out: nothing after stopped().
  void Push(const TokenEvent& token, ChoiceBody* out);
  // The sequence has ended: adds what was held back.
  void Finish(ChoiceBody* out);
  bool stopped() const { return stops_.stopped(); }
  uint32_t tokens() const { return tokens_; }
  // Of the tokens so far, as their events have it; 0 where there are none.
  double mean_logprob() const { return tokens_ == 0 ? 0.0 : logprob_sum_ / tokens_; }
  const std::map<int, uint64_t>& exits_by_layer() const { return exits_by_layer_; }

 private:
  struct Held {
    TokenLogprob logprob;
    size_t offset_bytes;
  };
  TokenLogprob LogprobOf(const TokenEvent& token) const;
  void Show(std::string_view text, bool last, ChoiceBody* out);

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  const ChoiceTextOptions options_;
  text::Detokenizer detokenizer_;
  StopMatcher stops_;
  uint32_t tokens_ = 0;
  double logprob_sum_ = 0;
  std::map<int, uint64_t> exits_by_layer_;
  std::deque<Held> held_;  // of tokens whose text is not shown yet
  size_t read_bytes_ = 0;  // of text that came out of the detokenizer
  size_t read_chars_ = 0;
  size_t shown_bytes_ = 0;
};

}  // namespace exeunt::coordinator
