// ChoiceText turns the tokens of one sequence into what the client sees: text, log-probabilities and exit
// layers.
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
  std::vector<std::string> stops;  // searched behind the first min_tokens tokens
  int min_tokens = 0;
  bool logprobs = false;
  bool render_special = false;  // whether special tokens are shown
  bool show_stop = false;       // whether the stop string or end token that ends the text is shown
  size_t offset_chars = 0;      // characters of the text that is shown before it
};

// Not thread-safe. The joined results of Push and Finish are the same however the tokens arrive. End tokens
// are counted. Without show_stop they are never shown, and neither is a stop string or the log-probabilities
// of its tokens.
class ChoiceText {
 public:
  ChoiceText(std::shared_ptr<const text::Tokenizer> tokenizer, ChoiceTextOptions options);

  // Adds what the token releases. After stopped() this is nothing.
  void Push(const TokenEvent& token, ChoiceBody* out);
  // Ends the sequence and adds what was held back.
  void Finish(ChoiceBody* out);
  bool stopped() const { return stops_.stopped(); }
  uint32_t tokens() const { return tokens_; }
  // Returns the mean log-probability of the tokens so far, or 0 without tokens.
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
  std::deque<Held> held_;  // tokens whose text is not shown yet
  size_t read_bytes_ = 0;  // bytes of text from the detokenizer
  size_t read_chars_ = 0;
  size_t shown_bytes_ = 0;
};

}  // namespace exeunt::coordinator
