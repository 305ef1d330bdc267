#include "coordinator/gateway/generation.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "coordinator/gateway/http_text.h"
#include "coordinator/openai/response.h"
#include "transport/control_auth.h"

namespace exeunt {
namespace {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const GenerationContext& context, std::shared_ptr<HttpExchange> exchange,
             const GenerationRequest& request);
  void Submit(const GenerationRequest& request, const std::shared_ptr<const std::string>& body,
              std::vector<std::vector<int32_t>> prompts);

  // From the sinks.
  void OnAdmitted(size_t choice, uint32_t cached_tokens);
  void OnTokens(size_t choice, const std::vector<proto::TokenEvent>& tokens);
  void OnFinished(size_t choice, EndReason reason);
  void OnFailed(const ApiError& error);

 private:
  struct Choice {
    explicit Choice(ChoiceText its_text) : text(std::move(its_text)) {}
    RequestId id = 0;
    ChoiceText text;
    bool first = false;      // of its prompt: the others share with it
    ChoiceBody body;         // plain: all of it; stream: what is not sent yet
    bool role_sent = false;  // a chat's stream begins with it
    bool done = false;
    std::optional<ServedAnswer> audited;  // what the auditor will be told
    bool has_news() const { return !body.text.empty() || !body.logprobs.empty(); }
  };

  void EndChoice(Choice* choice, const char* reason);
  void Collect(Choice* choice);
  void SendChunk(Choice* choice);
  void StartStream();
  void Complete();
  void AbandonAll();
  Usage TotalUsage() const;

  GenerationContext context_;
  std::shared_ptr<HttpExchange> exchange_;
  ResponseShape shape_;
  bool stream_;
  bool streaming_ = false;  // its head is sent
  bool answered_ = false;
  uint64_t prompt_tokens_ = 0;
  uint64_t cached_tokens_ = 0;
  std::vector<Choice> choices_;
};

// Ties a sequence of the driver to a choice.
class ChoiceSink : public TokenSink {
 public:
  ChoiceSink(std::shared_ptr<Generation> generation, size_t choice)
      : generation_(std::move(generation)), choice_(choice) {}
  void OnAdmitted(uint32_t cached_tokens) override { generation_->OnAdmitted(choice_, cached_tokens); }
  void OnTokens(const std::vector<proto::TokenEvent>& tokens) override {
    generation_->OnTokens(choice_, tokens);
  }
  void OnFinished(EndReason reason, uint32_t) override { generation_->OnFinished(choice_, reason); }
  void OnFailed(FailureKind kind, const std::string& message) override {
    generation_->OnFailed(ApiErrorOf(kind, message));
  }

 private:
  std::shared_ptr<Generation> generation_;
  size_t choice_;
};

uint64_t RandomSeed() {
  uint64_t seed = 0;
  std::memcpy(&seed, NewControlNonce().data(), sizeof(seed));
  return seed;
}

int64_t SecondsSince1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Generation::Generation(const GenerationContext& context, std::shared_ptr<HttpExchange> exchange,
                       const GenerationRequest& request)
    : context_(context), exchange_(std::move(exchange)), stream_(request.stream) {
  shape_.chat = request.chat;
  shape_.id = RandomId(request.chat ? "chatcmpl-" : "cmpl-");
  shape_.model = context.model->id;
  shape_.created = SecondsSince1970();
  shape_.logprobs = request.sampling.n_logprobs >= 0;
  shape_.exit_layers = request.exit_per_token;
  shape_.usage_in_stream = request.include_usage;
  shape_.n_layers = context.model->limits.n_layers;
  shape_.exit = request.exit;
  shape_.certificate = request.certificate;
}

void Generation::Submit(const GenerationRequest& request, const std::shared_ptr<const std::string>& body,
                        std::vector<std::vector<int32_t>> prompts) {
  exchange_->on_gone = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->AbandonAll();
  };
  const ServedModel& model = *context_.model;
  RequestRecord record;
  record.body = body;
  record.sampling = request.sampling;
  if (!request.seeded) record.sampling.seed = RandomSeed();
  record.exit = request.exit;
  if (!request.ignore_eos) record.end_tokens = model.tokenizer->end_tokens();
  for (const auto& prompt : prompts) {
    prompt_tokens_ += prompt.size();
    record.prompt = prompt;
    const auto left = static_cast<int64_t>(model.context_length) - static_cast<int64_t>(prompt.size());
    const auto by_default = std::clamp<int64_t>(left, 1, model.default_max_tokens);
    record.max_tokens = request.max_tokens.value_or(static_cast<uint32_t>(by_default));
    for (int n = 0; n < request.n; ++n) {
      record.sampling.choice = static_cast<uint32_t>(n);
      const size_t index = choices_.size();
      Choice& choice = choices_.emplace_back(
          ChoiceText(model.tokenizer, record.end_tokens, request.stop, shape_.logprobs));
      choice.first = n == 0;
      choice.body.index = static_cast<int>(index);
      choice.role_sent = !request.chat;
      if (!request.certificate.empty() && context_.auditor->Draw(request.certificate)) {
        choice.audited = ServedAnswer{request.certificate, record, request.stop, "", {}};
      }
      choice.id = context_.driver->Submit(record, std::make_shared<ChoiceSink>(shared_from_this(), index));
    }
  }
}

void Generation::OnAdmitted(size_t index, uint32_t cached_tokens) {
  if (choices_[index].first) cached_tokens_ += cached_tokens;
}

void Generation::OnTokens(size_t index, const std::vector<proto::TokenEvent>& tokens) {
  Choice& choice = choices_[index];
  if (answered_ || choice.done) return;
  if (stream_) StartStream();
  for (const proto::TokenEvent& token : tokens) {
    choice.text.Push(token, &choice.body);
    if (choice.audited) choice.audited->tokens.push_back({token.token(), token.exit_layer()});
  }
  if (choice.text.stopped()) {
    context_.driver->Stop(choice.id);
    return EndChoice(&choice, "stop");
  }
  if (stream_ && (choice.has_news() || !choice.role_sent)) SendChunk(&choice);
}

void Generation::OnFinished(size_t index, EndReason reason) {
  Choice& choice = choices_[index];
  if (answered_ || choice.done) return;
  if (reason == EndReason::kCancelled) {
    return OnFailed(ApiErrorOf(FailureKind::kPipelineRestarted, "the pipeline gave the request up"));
  }
  if (stream_) StartStream();
  choice.text.Finish(&choice.body);
  EndChoice(&choice, reason == EndReason::kStop || choice.text.stopped() ? "stop" : "length");
}

// Text that was let out and is not sent yet is the next piece of an audited answer.
void Generation::Collect(Choice* choice) {
  if (choice->audited) choice->audited->text += choice->body.text;
}

void Generation::EndChoice(Choice* choice, const char* reason) {
  choice->done = true;
  Collect(choice);
  if (choice->audited) context_.auditor->Served(*std::exchange(choice->audited, std::nullopt));
  context_.auditor->Pump();
  if (stream_) {
    if (choice->has_news()) SendChunk(choice);
    choice->body.finish_reason = reason;
    SendChunk(choice);
  } else {
    choice->body.finish_reason = reason;
  }
  if (std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.done; })) Complete();
}

// As OpenAI: a chat's first chunk has the role alone.
void Generation::SendChunk(Choice* choice) {
  if (!std::exchange(choice->role_sent, true)) {
    ChoiceBody role;
    role.index = choice->body.index;
    exchange_->Write(ServerSentEvent(ChunkBody(shape_, role, /*first=*/true)));
    if (!choice->has_news() && choice->body.finish_reason.empty()) return;
  }
  if (!choice->done) Collect(choice);
  const ChoiceBody sent = std::exchange(choice->body, {});
  choice->body.index = sent.index;
  exchange_->Write(ServerSentEvent(ChunkBody(shape_, sent, /*first=*/false)));
}

void Generation::StartStream() {
  if (std::exchange(streaming_, true)) return;
  context_.on_status(200);
  exchange_->StartStream({.status = 200,
                          .content_type = "text/event-stream; charset=utf-8",
                          .body = "",
                          .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
}

void Generation::Complete() {
  answered_ = true;
  const Usage usage = TotalUsage();
  if (stream_) {
    if (shape_.usage_in_stream) exchange_->Write(ServerSentEvent(UsageChunkBody(shape_, usage)));
    exchange_->Write(ServerSentEvent("[DONE]"));
    return exchange_->EndStream();
  }
  std::vector<ChoiceBody> bodies;
  for (Choice& choice : choices_) bodies.push_back(std::move(choice.body));
  context_.on_status(200);
  exchange_->Respond({.status = 200, .body = ResponseBody(shape_, bodies, usage)});
}

void Generation::OnFailed(const ApiError& error) {
  if (answered_) return;
  AbandonAll();
  if (!streaming_) {
    context_.on_status(error.status);
    return exchange_->Respond(ErrorResponse(error));
  }
  exchange_->Write(ServerSentEvent(ErrorBody(error)));
  exchange_->Write(ServerSentEvent("[DONE]"));
  exchange_->EndStream();
}

void Generation::AbandonAll() {
  answered_ = true;
  for (const Choice& choice : choices_) {
    if (!choice.done) context_.driver->Abandon(choice.id);
  }
}

Usage Generation::TotalUsage() const {
  Usage usage;
  usage.prompt_tokens = prompt_tokens_;
  usage.cached_tokens = cached_tokens_;
  for (const Choice& choice : choices_) {
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
  return response;
}

}  // namespace exeunt
