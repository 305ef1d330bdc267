#include "coordinator/calls/answer_choice.h"

#include <algorithm>
#include <utility>

#include "text/utf8.h"

namespace exeunt::coordinator {
namespace {

std::optional<PromptEcho> EchoOf(const GenerationRequest& asked,
                                 const std::shared_ptr<const text::Tokenizer>& tokenizer,
                                 const PromptInput* prompt, SequenceRequest* request) {
  request->score_from = 0;
  if (prompt == nullptr) return std::nullopt;
  PromptEcho echo(tokenizer, *prompt, request->prompt, asked.sampling.n_logprobs >= 0);
  request->score_from = static_cast<int>(echo.score_from());
  return echo;
}

}  // namespace

AnswerChoice::AnswerChoice(const GenerationRequest& asked,
                           const std::shared_ptr<const text::Tokenizer>& tokenizer, const PromptInput* prompt,
                           SequenceRequest* request)
    : echo(EchoOf(asked, tokenizer, prompt, request)),
      echo_bytes(echo ? echo->text().size() : 0),
      text(tokenizer, {.end_tokens = request->end_tokens,
                       .stops = asked.stop,
                       .min_tokens = asked.sampling.min_tokens,
                       .logprobs = asked.sampling.n_logprobs >= 0,
                       .render_special = asked.render_special,
                       .show_stop = asked.show_stop,
                       .offset_chars = echo ? text::CountCharacters(echo->text()) : 0}),
      role_sent(!asked.chat) {}

bool AnswerChoice::ShowEcho() {
  if (!echo) return true;
  if (!echo->complete()) return false;
  echo->MoveTo(&body);
  echo.reset();
  return true;
}

void AnswerChoice::Collect() {
  const size_t skip = std::exchange(echo_bytes, 0);
  if (audited) audited->text += std::string_view(body.text).substr(skip);
}

SequenceRequest RequestOf(const GenerationRequest& asked, const text::Tokenizer& tokenizer, uint64_t seed) {
  SequenceRequest request;
  request.sampling = asked.sampling;
  if (!asked.seeded) request.sampling.seed = seed;
  if (asked.ranked()) request.sampling.n_logprobs = std::max(request.sampling.n_logprobs, 0);
  request.exit = asked.exit;
  request.priority = asked.priority;
  request.timeout = asked.timeout;
  request.end_tokens = asked.stop_token_ids;
  if (!asked.ignore_eos) {
    const auto& ends = tokenizer.end_tokens();
    request.end_tokens.insert(request.end_tokens.end(), ends.begin(), ends.end());
  }
  return request;
}

std::vector<ChoiceBody> BestOf(int n, int best_of, std::vector<AnswerChoice>* choices) {
  std::vector<ChoiceBody> shown;
  const auto stride = static_cast<std::ptrdiff_t>(best_of);
  for (auto first = choices->begin(); first != choices->end(); first += stride) {
    std::vector<AnswerChoice*> answers;
    for (auto it = first; it != first + stride; ++it) answers.push_back(&*it);
    if (n < best_of) {
      std::stable_sort(answers.begin(), answers.end(), [](const AnswerChoice* a, const AnswerChoice* b) {
        return a->text.mean_logprob() > b->text.mean_logprob();
      });
    }
    for (int i = 0; i < n; ++i) {
      ChoiceBody& body = answers[static_cast<size_t>(i)]->body;
      body.index = static_cast<int>(shown.size());
      shown.push_back(std::move(body));
    }
  }
  return shown;
}

}  // namespace exeunt::coordinator
