// AnswerChoice: one of the answers that a call generates, as far as it is there.
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
  // prompt: to be echoed, or null. The request has its tokens, and is told what is to be scored of them.
  AnswerChoice(const GenerationRequest& asked, const std::shared_ptr<const text::Tokenizer>& tokenizer,
               const PromptInput* prompt, SequenceRequest* request);

  // Puts the echoed prompt, if any, in front of what is there. False: its scores are not all here.
  bool ShowEcho();
  // What was let out and is not sent yet is the next piece of an audited answer, but for the echo.
  void Collect();
  bool has_news() const { return !body.text.empty() || !body.logprobs.empty(); }

  RequestId id = 0;
  std::optional<PromptEcho> echo;  // not shown yet
  size_t echo_bytes = 0;           // of the body's text
  ChoiceText text;
  ChoiceBody body;         // plain: all of it; stream: what is not sent yet
  bool first = false;      // of its prompt: the others share with it
  bool role_sent = false;  // a chat's stream begins with it
  bool done = false;
  std::optional<ServedAnswer> audited;  // what the auditor will be told
};

// What the answers to a call have in common; without prompt, max_tokens and client. `seed`: where the call
// names none.
SequenceRequest RequestOf(const GenerationRequest& asked, const text::Tokenizer& tokenizer, uint64_t seed);
// Takes the bodies of every prompt's `best_of` answers, in order: all of them where n is as many, else the n
// with the highest log-probability per token, the best first.
std::vector<ChoiceBody> BestOf(int n, int best_of, std::vector<AnswerChoice>* choices);

}  // namespace exeunt::coordinator
