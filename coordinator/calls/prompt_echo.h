// PromptEcho is a prompt as an answer repeats it (`echo`). It has the text and, if asked for, the
// log-probabilities of its tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "coordinator/core/token_event.h"
#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/response.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

// Not thread-safe. With `logprobs` it holds an entry per token of the prompt.
class PromptEcho {
 public:
  // A prompt that was text is repeated unchanged. Token ids are decoded. `tokens` are those of the prompt.
  PromptEcho(std::shared_ptr<const text::Tokenizer> tokenizer, const PromptInput& prompt,
             const std::vector<int32_t>& tokens, bool logprobs);

  // The position of the first token of the prompt to score, or 0 for none.
  uint32_t score_from() const { return logprobs_.size() > 1 ? 1 : 0; }
  void Add(const PromptScore& score);
  bool complete() const { return scored_ + 1 >= logprobs_.size(); }
  const std::string& text() const { return text_; }
  // Puts the echo in front of the body. Call it once, when the echo is complete.
  void MoveTo(ChoiceBody* out);

 private:
  void ListTokens(const PromptInput& prompt, const std::vector<int32_t>& tokens);

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::string text_;
  std::vector<TokenLogprob> logprobs_;  // one per token, or empty
  size_t scored_ = 0;
};

}  // namespace exeunt::coordinator
