#include "coordinator/gateway/answer_choice.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "text/utf8.h"
#include "transport/control_auth.h"

namespace exeunt {
namespace {

uint64_t RandomSeed() {
  uint64_t seed = 0;
  std::memcpy(&seed, NewControlNonce().data(), sizeof(seed));
  return seed;
}

std::optional<PromptEcho> EchoOf(const GenerationRequest& request,
                                 const std::shared_ptr<const Tokenizer>& tokenizer, const PromptInput* prompt,
                                 RequestRecord* record) {
  record->score_from = 0;
  if (prompt == nullptr) return std::nullopt;
  PromptEcho echo(tokenizer, *prompt, record->prompt, request.sampling.n_logprobs >= 0);
  record->score_from = echo.score_from();
  return echo;
}

}  // namespace

AnswerChoice::AnswerChoice(const GenerationRequest& request,
                           const std::shared_ptr<const Tokenizer>& tokenizer, const PromptInput* prompt,
                           RequestRecord* record)
    : echo(EchoOf(request, tokenizer, prompt, record)),
      echo_bytes(echo ? echo->text().size() : 0),
      text(tokenizer, {.end_tokens = record->end_tokens,
                       .stops = request.stop,
                       .min_tokens = request.sampling.min_tokens,
                       .logprobs = request.sampling.n_logprobs >= 0,
                       .render_special = request.render_special,
                       .show_stop = request.show_stop,
                       .offset_chars = echo ? CountCharacters(echo->text()) : 0}),
      role_sent(!request.chat) {}

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

RequestRecord RecordOf(const GenerationRequest& request, const Tokenizer& tokenizer) {
  RequestRecord record;
  record.sampling = request.sampling;
  if (!request.seeded) record.sampling.seed = RandomSeed();
  if (request.ranked()) record.sampling.n_logprobs = std::max(record.sampling.n_logprobs, 0);
  record.exit = request.exit;
  record.priority = request.priority;
  record.timeout = request.timeout;
  record.end_tokens = request.stop_token_ids;
  if (!request.ignore_eos) {
    const auto& ends = tokenizer.end_tokens();
    record.end_tokens.insert(record.end_tokens.end(), ends.begin(), ends.end());
  }
  return record;
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

}  // namespace exeunt
