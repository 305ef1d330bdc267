#include "coordinator/gateway/generation.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "coordinator/gateway/answer_choice.h"
#include "coordinator/gateway/http_text.h"
#include "coordinator/gateway/stream_pulse.h"
#include "coordinator/openai/response.h"

namespace exeunt {
namespace {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const GenerationContext& context, std::shared_ptr<HttpExchange> exchange,
             const GenerationRequest& request);
  void Submit(const GenerationRequest& request, const std::shared_ptr<const std::string>& body,
              std::vector<std::vector<int32_t>> prompts);

  // From the sinks.
  void OnAccepted();
  void OnAdmitted(size_t choice, uint32_t cached_tokens, Duration waited);
  size_t OnTokens(size_t choice, const std::vector<proto::TokenEvent>& tokens);
  void OnScores(size_t choice, const std::vector<proto::PromptScore>& scores);
  void OnFinished(size_t choice, EndReason reason);
  void OnFailed(const ApiError& error);

 private:
  void SubmitChoice(const GenerationRequest& request, const PromptInput* prompt, RequestRecord* record, int n,
                    bool audited);
  // Shows what there is to show; a choice that has stopped ends.
  void Advance(AnswerChoice* choice);
  void EndChoice(AnswerChoice* choice, const char* reason);
  std::string Chunk(const ChoiceBody& body, bool first) const;
  void SendChunk(AnswerChoice* choice);
  void StartStream();
  void Write(std::string_view bytes);
  void Complete();
  void AbandonAll();
  Usage TotalUsage() const;

  GenerationContext context_;
  std::shared_ptr<HttpExchange> exchange_;
  ResponseShape shape_;
  bool stream_;
  bool score_only_;  // max_tokens is 0: the one token that is generated is not shown
  int n_;            // of best_of_
  int best_of_;
  bool streaming_ = false;  // its head is sent
  bool answered_ = false;
  uint64_t prompt_tokens_ = 0;
  uint64_t cached_tokens_ = 0;
  Duration queue_time_{0};  // the longest
  std::vector<AnswerChoice> choices_;
  std::optional<StreamPulse> pulse_;  // of a stream that has begun and not ended
};

// Ties a sequence of the driver to a choice.
class ChoiceSink : public TokenSink {
 public:
  ChoiceSink(std::shared_ptr<Generation> generation, size_t choice)
      : generation_(std::move(generation)), choice_(choice) {}
  void OnAccepted() override { generation_->OnAccepted(); }
  void OnAdmitted(uint32_t cached_tokens, Duration waited) override {
    generation_->OnAdmitted(choice_, cached_tokens, waited);
  }
  size_t OnTokens(const std::vector<proto::TokenEvent>& tokens) override {
    return generation_->OnTokens(choice_, tokens);
  }
  void OnScores(const std::vector<proto::PromptScore>& scores) override {
    generation_->OnScores(choice_, scores);
  }
  void OnFinished(EndReason reason, uint32_t) override { generation_->OnFinished(choice_, reason); }
  void OnFailed(FailureKind kind, const std::string& message) override {
    generation_->OnFailed(ApiErrorOf(kind, message));
  }

 private:
  std::shared_ptr<Generation> generation_;
  size_t choice_;
};

int64_t SecondsSince1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Generation::Generation(const GenerationContext& context, std::shared_ptr<HttpExchange> exchange,
                       const GenerationRequest& request)
    : context_(context),
      exchange_(std::move(exchange)),
      stream_(request.stream),
      score_only_(request.max_tokens == 0U),
      n_(request.n),
      best_of_(request.best_of) {
  shape_.chat = request.chat;
  const std::string prefix = request.chat ? "chatcmpl-" : "cmpl-";
  shape_.id = request.request_id.empty() ? RandomId(prefix) : prefix + request.request_id;
  if (request.comment_interval) context_.stream_comment_interval = *request.comment_interval;
  shape_.model = context.model->id;
  shape_.created = SecondsSince1970();
  shape_.logprobs = request.sampling.n_logprobs >= 0;
  shape_.exit_layers = request.exit_per_token;
  shape_.usage_in_stream = request.include_usage;
  shape_.continuous_usage = request.continuous_usage;
  shape_.n_layers = context.model->limits.n_layers;
  shape_.exit = request.exit;
  shape_.certificate = request.certificate;
}

void Generation::Submit(const GenerationRequest& request, const std::shared_ptr<const std::string>& body,
                        std::vector<std::vector<int32_t>> prompts) {
  exchange_->on_gone = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->AbandonAll();
  };
  RequestRecord record = RecordOf(request, *context_.model->tokenizer);
  record.body = body;
  record.client = exchange_->request().client;
  const ServedModel& model = *context_.model;
  for (size_t p = 0; p < prompts.size(); ++p) {
    prompt_tokens_ += prompts[p].size();
    const auto left = static_cast<int64_t>(model.context_length) - static_cast<int64_t>(prompts[p].size());
    const auto by_default = std::clamp<int64_t>(left, 1, model.default_max_tokens);
    record.max_tokens = std::max(request.max_tokens.value_or(static_cast<uint32_t>(by_default)), 1U);
    record.prompt = std::move(prompts[p]);
    // Of a prompt's answers the first alone: greedy ones are all the same, and would be counted n times.
    const bool audited =
        !request.certificate.empty() && !score_only_ && context_.auditor->Draw(request.certificate);
    for (int n = 0; n < request.best_of; ++n) {
      SubmitChoice(request, request.echo ? &request.prompts[p] : nullptr, &record, n, audited && n == 0);
    }
  }
}

void Generation::OnAccepted() {
  if (!stream_ || answered_ || context_.stream_comment_interval == Duration{0}) return;
  StartStream();
}

void Generation::OnAdmitted(size_t index, uint32_t cached_tokens, Duration waited) {
  queue_time_ = std::max(queue_time_, waited);
  if (choices_[index].first) cached_tokens_ += cached_tokens;
}

// prompt: to be echoed, or null.
void Generation::SubmitChoice(const GenerationRequest& request, const PromptInput* prompt,
                              RequestRecord* record, int n, bool audited) {
  const auto& tokenizer = context_.model->tokenizer;
  record->sampling.choice = static_cast<uint32_t>(n);
  const size_t index = choices_.size();
  AnswerChoice& choice = choices_.emplace_back(request, tokenizer, prompt, record);
  choice.first = n == 0;
  choice.body.index = static_cast<int>(index);
  if (audited) {
    choice.audited = ServedAnswer{request.certificate, *record, request.stop, "", {}};
    choice.audited->record.score_from = 0;
  }
  choice.id = context_.driver->Submit(*record, std::make_shared<ChoiceSink>(shared_from_this(), index));
}

size_t Generation::OnTokens(size_t index, const std::vector<proto::TokenEvent>& tokens) {
  AnswerChoice& choice = choices_[index];
  if (answered_ || choice.done || score_only_) return 0;
  const size_t before = choice.text.tokens();
  for (const proto::TokenEvent& token : tokens) {
    if (choice.audited && !choice.text.stopped())
      choice.audited->tokens.push_back({token.token(), token.exit_layer()});
    choice.text.Push(token, &choice.body);
  }
  Advance(&choice);
  return choice.text.tokens() - before;
}

void Generation::OnScores(size_t index, const std::vector<proto::PromptScore>& scores) {
  AnswerChoice& choice = choices_[index];
  if (answered_ || choice.done || !choice.echo) return;
  for (const proto::PromptScore& score : scores) choice.echo->Add(score);
  Advance(&choice);
}

// Nothing of an answer is shown before all of its prompt is.
void Generation::Advance(AnswerChoice* choice) {
  if (!choice->ShowEcho()) return;
  if (stream_) StartStream();
  if (choice->text.stopped()) {
    context_.driver->Stop(choice->id);
    return EndChoice(choice, "stop");
  }
  if (stream_ && (choice->has_news() || !choice->role_sent)) SendChunk(choice);
}

void Generation::OnFinished(size_t index, EndReason reason) {
  AnswerChoice& choice = choices_[index];
  if (answered_ || choice.done) return;
  if (reason == EndReason::kCancelled) {
    return OnFailed(ApiErrorOf(FailureKind::kPipelineRestarted, "the pipeline gave the request up"));
  }
  if (stream_) StartStream();
  choice.text.Finish(&choice.body);
  choice.ShowEcho();
  const bool stop = (reason == EndReason::kStop && !score_only_) || choice.text.stopped();
  EndChoice(&choice, stop ? "stop" : "length");
}

void Generation::EndChoice(AnswerChoice* choice, const char* reason) {
  choice->done = true;
  choice->Collect();
  if (choice->audited) context_.auditor->Served(*std::exchange(choice->audited, std::nullopt));
  context_.auditor->Pump();
  if (stream_) {
    if (choice->has_news()) SendChunk(choice);
    choice->body.finish_reason = reason;
    SendChunk(choice);
  } else {
    choice->body.finish_reason = reason;
  }
  if (std::all_of(choices_.begin(), choices_.end(), [](const AnswerChoice& c) { return c.done; })) Complete();
}

// As OpenAI: a chat's first chunk has the role alone.
void Generation::SendChunk(AnswerChoice* choice) {
  if (!std::exchange(choice->role_sent, true)) {
    ChoiceBody role;
    role.index = choice->body.index;
    Write(Chunk(role, /*first=*/true));
    if (!choice->has_news() && choice->body.finish_reason.empty()) return;
  }
  if (!choice->done) choice->Collect();
  const ChoiceBody sent = std::exchange(choice->body, {});
  choice->body.index = sent.index;
  Write(Chunk(sent, /*first=*/false));
}

std::string Generation::Chunk(const ChoiceBody& body, bool first) const {
  return ServerSentEvent(ChunkBody(shape_, body, first, shape_.continuous_usage ? TotalUsage() : Usage{}));
}

void Generation::StartStream() {
  if (std::exchange(streaming_, true)) return;
  exchange_->StartStream({.status = 200,
                          .content_type = "text/event-stream; charset=utf-8",
                          .body = "",
                          .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
  if (context_.stream_comment_interval > Duration{0}) {
    pulse_.emplace(context_.driver->io(), context_.stream_comment_interval,
                   [this] { exchange_->Write(kStreamComment); });
  }
}

void Generation::Write(std::string_view bytes) {
  exchange_->Write(bytes);
  if (pulse_) pulse_->Wrote();
}

void Generation::Complete() {
  answered_ = true;
  pulse_.reset();
  const Usage usage = TotalUsage();
  if (stream_) {
    if (shape_.usage_in_stream) Write(ServerSentEvent(UsageChunkBody(shape_, usage)));
    Write(ServerSentEvent("[DONE]"));
    return exchange_->EndStream();
  }
  exchange_->Respond({.status = 200, .body = ResponseBody(shape_, BestOf(n_, best_of_, &choices_), usage)});
}

void Generation::OnFailed(const ApiError& error) {
  if (answered_) return;
  AbandonAll();
  if (!streaming_) return exchange_->Respond(ErrorResponse(error));
  Write(ServerSentEvent(ErrorBody(error)));
  Write(ServerSentEvent("[DONE]"));
  exchange_->EndStream();
}

void Generation::AbandonAll() {
  answered_ = true;
  pulse_.reset();
  for (const AnswerChoice& choice : choices_) {
    if (!choice.done) context_.driver->Abandon(choice.id);
  }
}

Usage Generation::TotalUsage() const {
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

}  // namespace

void StartGeneration(const GenerationContext& context, std::shared_ptr<HttpExchange> exchange,
                     const GenerationRequest& request, std::shared_ptr<const std::string> canonical_body,
                     std::vector<std::vector<int32_t>> prompts) {
  std::make_shared<Generation>(context, std::move(exchange), request)
      ->Submit(request, canonical_body, std::move(prompts));
}

HttpResponse ErrorResponse(const ApiError& error) {
  HttpResponse response{.status = error.status, .body = ErrorBody(error)};
  if (error.retry_after_s > 0)
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (error.no_retry) response.headers.emplace_back("x-should-retry", "false");
  return response;
}

}  // namespace exeunt
