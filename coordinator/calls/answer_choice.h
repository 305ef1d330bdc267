// AnswerChoice is one of the answers that a call generates, as far as it has arrived.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "coordinator/calls/auditor.h"
#include "coordinator/calls/choice_text.h"
#include "coordinator/calls/prompt_echo.h"
#include "coordinator/openai/generation_request.h"

namespace exeunt::coordinator {

struct AnswerChoice {
  // `prompt` is the prompt to echo, or null. `request` has its tokens and is told which of them to score.
  AnswerChoice(const GenerationRequest& asked, const std::shared_ptr<const text::Tokenizer>& tokenizer,
               const PromptInput* prompt, SequenceRequest* request);

  // Puts the echoed prompt, if there is one, in front of the body. Returns false if its scores have not all
  // arrived.
  bool ShowEcho();
  // Adds the released part that is not sent yet, without the echo, to an audited answer.
  void Collect();
  bool has_news() const { return !body.text.empty() || !body.logprobs.empty(); }

  RequestId id = 0;
  std::optional<PromptEcho> echo;  // not shown yet
  size_t echo_bytes = 0;           // bytes of the echo in the body's text
  ChoiceText text;
  ChoiceBody body;         // plain answer: all of it; stream: the part that is not sent yet
  bool first = false;      // whether it is the first of its prompt, with which the others share K/V
  bool role_sent = false;  // whether a chat's stream has begun with the role
  bool done = false;
  std::optional<ServedAnswer> audited;  // data for the auditor
};

// Returns what the sequences of a call have in common, without prompt, max_tokens and client. `seed` is used
// if the call names none.
SequenceRequest RequestOf(const GenerationRequest& asked, const text::Tokenizer& tokenizer, uint64_t seed);
// Takes the bodies of every prompt's `best_of` answers, in order. If n is smaller, only the n answers with
// the highest log-probability per token remain, the best first.
std::vector<ChoiceBody> BestOf(int n, int best_of, std::vector<AnswerChoice>* choices);

}  // namespace exeunt::coordinator
