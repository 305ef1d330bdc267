#include "coordinator/calls/call.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace exeunt::coordinator {

// Connects a sequence of the driver with a choice.
class Call::Sink : public TokenSink {
 public:
  Sink(std::shared_ptr<Call> call, size_t choice) : call_(std::move(call)), choice_(choice) {}
  void OnAccepted() override { call_->OnAccepted(); }
  void OnAdmitted(uint32_t cached_tokens, Duration waited) override {
    call_->OnAdmitted(choice_, cached_tokens, waited);
  }
  size_t OnTokens(const std::vector<TokenEvent>& tokens) override { return call_->OnTokens(choice_, tokens); }
  void OnScores(const std::vector<PromptScore>& scores) override { call_->OnScores(choice_, scores); }
  void OnFinished(EndReason reason, uint32_t) override { call_->OnFinished(choice_, reason); }
  void OnFailed(FailureKind kind, const std::string& message) override {
    call_->OnFailed(ApiErrorOf(kind, message));
  }

 private:
  std::shared_ptr<Call> call_;
  size_t choice_;
};

Call::Call(const CallContext& context, const PreparedCall& prepared, std::unique_ptr<AnswerWriter> writer)
    : context_(context),
      writer_(std::move(writer)),
      continuous_usage_(prepared.shape.continuous_usage),
      score_only_(prepared.asked.max_tokens == 0U),
      n_(prepared.asked.n),
      best_of_(prepared.asked.best_of) {}

std::shared_ptr<Call> Call::Start(const CallContext& context, PreparedCall prepared,
                                  std::unique_ptr<AnswerWriter> writer) {
  const std::shared_ptr<Call> call(new Call(context, prepared, std::move(writer)));
  call->Submit(std::move(prepared));
  return call;
}

void Call::Submit(PreparedCall prepared) {
  const GenerationRequest& asked = prepared.asked;
  const ServedModel& model = *context_.model;
  SequenceRequest request = prepared.common;
  for (size_t p = 0; p < prepared.prompts.size(); ++p) {
    std::vector<int32_t>& prompt = prepared.prompts[p];
    prompt_tokens_ += prompt.size();
    const auto left = static_cast<int64_t>(model.context_length) - static_cast<int64_t>(prompt.size());
    const auto by_default = std::clamp<int64_t>(left, 1, model.default_max_tokens);
    request.max_tokens =
        static_cast<int>(std::max<int64_t>(asked.max_tokens ? *asked.max_tokens : by_default, 1));
    request.prompt = std::move(prompt);
    // Only the first of a prompt's answers is audited. Greedy answers are all the same and would be counted n
    // times.
    const bool audited = context_.auditor != nullptr && !asked.certificate.empty() && !score_only_ &&
                         context_.auditor->Draw(asked.certificate);
    for (int n = 0; n < asked.best_of; ++n)
      SubmitChoice(prepared, asked.echo ? &asked.prompts[p] : nullptr, &request, n, audited && n == 0);
  }
}

// `prompt` is the prompt to echo, or null.
void Call::SubmitChoice(const PreparedCall& prepared, const PromptInput* prompt, SequenceRequest* request,
                        int n, bool audited) {
  const auto& tokenizer = context_.model->tokenizer;
  request->sampling.choice = static_cast<uint32_t>(n);
  const size_t index = choices_.size();
  AnswerChoice& choice = choices_.emplace_back(prepared.asked, tokenizer, prompt, request);
  choice.first = n == 0;
  choice.body.index = static_cast<int>(index);
  if (audited) {
    choice.audited = ServedAnswer{prepared.asked.certificate, *request, prepared.asked.stop, "", {}};
    choice.audited->request.score_from = 0;
  }
  choice.id = context_.driver->Submit(*request, std::make_shared<Sink>(shared_from_this(), index));
}

void Call::OnAccepted() {
  if (!answered_) writer_->Accepted();
}

void Call::OnAdmitted(size_t index, uint32_t cached_tokens, Duration waited) {
  queue_time_ = std::max(queue_time_, waited);
  if (choices_[index].first) cached_tokens_ += cached_tokens;
}

size_t Call::OnTokens(size_t index, const std::vector<TokenEvent>& tokens) {
  AnswerChoice& choice = choices_[index];
  if (answered_ || choice.done || score_only_) return 0;
  const size_t before = choice.text.tokens();
  for (const TokenEvent& token : tokens) {
    if (choice.audited && !choice.text.stopped())
      choice.audited->tokens.push_back({token.token, token.exit_layer});
    choice.text.Push(token, &choice.body);
  }
  Advance(&choice);
  return choice.text.tokens() - before;
}

void Call::OnScores(size_t index, const std::vector<PromptScore>& scores) {
  AnswerChoice& choice = choices_[index];
  if (answered_ || choice.done || !choice.echo) return;
  for (const PromptScore& score : scores) choice.echo->Add(score);
  Advance(&choice);
}

// No part of an answer is shown before its whole prompt.
void Call::Advance(AnswerChoice* choice) {
  if (!choice->ShowEcho()) return;
  writer_->Begin();
  if (choice->text.stopped()) {
    context_.driver->Stop(choice->id);
    return EndChoice(choice, EndReason::kStop);
  }
  if (writer_->streams() && (choice->has_news() || !choice->role_sent)) SendPiece(choice);
}

void Call::OnFinished(size_t index, EndReason reason) {
  AnswerChoice& choice = choices_[index];
  if (answered_ || choice.done) return;
  if (reason == EndReason::kCancelled) {
    return OnFailed(ApiErrorOf(FailureKind::kPipelineRestarted, "the pipeline gave the request up"));
  }
  writer_->Begin();
  choice.text.Finish(&choice.body);
  choice.ShowEcho();
  const bool stop = (reason == EndReason::kStop && !score_only_) || choice.text.stopped();
  EndChoice(&choice, stop ? EndReason::kStop : EndReason::kLength);
}

void Call::EndChoice(AnswerChoice* choice, EndReason reason) {
  choice->done = true;
  choice->Collect();
  if (context_.auditor != nullptr) {
    if (choice->audited) context_.auditor->Served(*std::exchange(choice->audited, std::nullopt));
    context_.auditor->Pump();
  }
  if (writer_->streams() && choice->has_news()) SendPiece(choice);
  choice->body.finish_reason = EndReasonName(reason);
  if (writer_->streams()) SendPiece(choice);
  if (std::all_of(choices_.begin(), choices_.end(), [](const AnswerChoice& c) { return c.done; })) Complete();
}

// As in OpenAI's API, a chat's first piece has only the role.
void Call::SendPiece(AnswerChoice* choice) {
  const auto so_far = [this] { return continuous_usage_ ? TotalUsage() : Usage{}; };
  if (!std::exchange(choice->role_sent, true)) {
    ChoiceBody role;
    role.index = choice->body.index;
    writer_->Piece(role, /*first=*/true, so_far());
    if (!choice->has_news() && choice->body.finish_reason.empty()) return;
  }
  if (!choice->done) choice->Collect();
  const ChoiceBody sent = std::exchange(choice->body, {});
  choice->body.index = sent.index;
  writer_->Piece(sent, /*first=*/false, so_far());
}

void Call::Complete() {
  answered_ = true;
  if (writer_->streams()) return writer_->Complete({}, TotalUsage());
  writer_->Complete(BestOf(n_, best_of_, &choices_), TotalUsage());
}

void Call::OnFailed(const ApiError& error) {
  if (answered_) return;
  Cancel();
  writer_->Fail(error);
}

void Call::Abandon() {
  Cancel();
  writer_->Gone();
}

void Call::Cancel() {
  answered_ = true;
  for (const AnswerChoice& choice : choices_) {
    if (!choice.done) context_.driver->Abandon(choice.id);
  }
}

Usage Call::TotalUsage() const {
  Usage usage;
  usage.prompt_tokens = prompt_tokens_;
  usage.cached_tokens = cached_tokens_;
  usage.queue_time = Seconds(queue_time_);
  for (const AnswerChoice& choice : choices_) {
    usage.completion_tokens += choice.text.tokens();
    for (const auto& [layer, count] : choice.text.exits_by_layer()) usage.exits_by_layer[layer] += count;
  }
  return usage;
}

}  // namespace exeunt::coordinator
