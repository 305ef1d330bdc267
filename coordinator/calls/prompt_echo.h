// PromptEcho: a prompt as an answer repeats it (`echo`): its text and, where asked for, the log-probabilities
// of its tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "coordinator/core/token_event.h"
#include "coordinator/openai/generation_request.h"
#include "coordinator/openai/response.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

// Not thread-safe. Memory: an entry per token of the prompt where `logprobs`.
class PromptEcho {
 public:
  // A prompt that was text is repeated as it is; token ids are decoded. tokens: those of the prompt.
  PromptEcho(std::shared_ptr<const text::Tokenizer> tokenizer, const PromptInput& prompt,
             const std::vector<int32_t>& tokens, bool logprobs);

  // The prompt's tokens that scores are due for: from here on; 0: none.
  uint32_t score_from() const { return logprobs_.size() > 1 ? 1 : 0; }
  void Add(const PromptScore& score);
  bool complete() const { return scored_ + 1 >= logprobs_.size(); }
  const std::string& text() const { return text_; }
  // Puts it in front of what is there. Once, and complete.
  void MoveTo(ChoiceBody* out);

 private:
  void ListTokens(const PromptInput& prompt, const std::vector<int32_t>& tokens);

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::string text_;
  std::vector<TokenLogprob> logprobs_;  // one per token, or empty
  size_t scored_ = 0;
};

}  // namespace exeunt::coordinator
