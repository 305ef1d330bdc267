#include "coordinator/calls/auditor.h"

#include <spdlog/spdlog.h>

#include <cstring>

#include "base/rng.h"
#include "base/write_file.h"
#include "coordinator/calls/choice_text.h"
#include "transport/control_auth.h"

namespace exeunt::coordinator {
namespace {

constexpr Duration kSaveEvery = std::chrono::seconds(1);

// Makes a request that runs a served one again in full. It has no client and comes after all others.
SequenceRequest InFull(SequenceRequest request) {
  request.exit = {};
  request.client.clear();
  request.priority = kBackgroundPriority;
  request.timeout.reset();
  return request;
}

}  // namespace

// Collects the answer of the full model.
class Auditor::Sink : public TokenSink {
 public:
  Sink(std::shared_ptr<Auditor> auditor, ServedAnswer served)
      : auditor_(std::move(auditor)),
        served_(std::move(served)),
        text_(auditor_->tokenizer_, {.end_tokens = served_.request.end_tokens, .stops = served_.stop}) {}
  void set_id(RequestId id) { id_ = id; }

  size_t OnTokens(const std::vector<TokenEvent>& tokens) override {
    const size_t before = text_.tokens();
    for (const TokenEvent& token : tokens) text_.Push(token, &body_);
    const size_t taken = text_.tokens() - before;
    if (text_.stopped()) {
      auditor_->driver_->Stop(id_);  // no token comes after it
      End();
    }
    return taken;
  }
  void OnFinished(EndReason reason, uint32_t) override {
    if (reason == EndReason::kCancelled) return auditor_->Failed(served_);
    End();
  }
  void OnFailed(FailureKind, const std::string&) override { auditor_->Failed(served_); }

 private:
  void End() {
    text_.Finish(&body_);
    auditor_->Ended(served_, body_.text);
    auditor_->Score(std::move(served_));
  }

  std::shared_ptr<Auditor> auditor_;
  ServedAnswer served_;
  ChoiceText text_;
  ChoiceBody body_;
  RequestId id_ = 0;
};

// Collects the full model's scores of an answer's tokens.
class Auditor::ScoreSink : public TokenSink {
 public:
  ScoreSink(std::shared_ptr<Auditor> auditor, ServedAnswer served)
      : auditor_(std::move(auditor)), served_(std::move(served)) {}

  size_t OnTokens(const std::vector<TokenEvent>& tokens) override {
    for (const TokenEvent& token : tokens) said_[token.position] = token.token;
    return tokens.size();
  }
  void OnScores(const std::vector<PromptScore>& scores) override {
    for (const PromptScore& score : scores) said_[score.position] = score.token;
  }
  void OnFinished(EndReason reason, uint32_t) override {
    if (reason != EndReason::kCancelled) auditor_->Scored(served_, said_);
    auditor_->Next();
  }
  void OnFailed(FailureKind, const std::string& message) override {
    spdlog::warn("certificate={} an audited answer was not scored: {}", served_.certificate, message);
    auditor_->Next();
  }

 private:
  std::shared_ptr<Auditor> auditor_;
  ServedAnswer served_;
  std::map<uint32_t, int32_t> said_;
};

Auditor::Auditor(const AuditOptions& options, const std::vector<certify::Certificate>& certificates,
                 std::shared_ptr<const text::Tokenizer> tokenizer, Driver* driver,
                 prometheus::Registry* registry)
    : options_(options), tokenizer_(std::move(tokenizer)), driver_(driver) {
  auto& audits = prometheus::BuildCounter()
                     .Name("exeunt_audits_total")
                     .Help("Requests under a certificate that were chosen to be run again in full")
                     .Register(*registry);
  auto& loss = prometheus::BuildCounter()
                   .Name("exeunt_audit_loss_total")
                   .Help("Sum of the losses of audited answers against the full model's")
                   .Register(*registry);
  auto& evidence =
      prometheus::BuildGauge()
          .Name("exeunt_certificate_evidence")
          .Help("Evidence (an e-value) that the traffic loses more than the certificate promised")
          .Register(*registry);
  auto& alarm = prometheus::BuildGauge()
                    .Name("exeunt_certificate_alarm")
                    .Help("1 once the evidence has passed 1 / --audit-level")
                    .Register(*registry);
  audited_tokens_ =
      &prometheus::BuildCounter()
           .Name("exeunt_audited_tokens_total")
           .Help(
               "Tokens of audited greedy answers by the layer they left after, each weighted by 1 / "
               "--audit-share, and whether the full model would have said the same there")
           .Register(*registry);
  for (const certify::Certificate& c : certificates) {
    const auto kind = certify::TextLossOf(c.loss);
    if (!kind) continue;  // the user's own losses cannot be computed here
    const auto result = [&](const char* name) {
      return &audits.Add({{"certificate", c.name}, {"result", name}});
    };
    const std::string hash = certify::CertificateHash(c);
    const auto kept = options.kept.find(hash);
    const certify::EProcessState state =
        kept == options.kept.end() ? certify::EProcessState{} : kept->second.state;
    const certify::EProcess process(c.watch_delta, options.level, state);
    watched_.emplace(c.name, Watched{*kind,
                                     process,
                                     hash,
                                     result("done"),
                                     result("failed"),
                                     result("dropped"),
                                     &loss.Add({{"certificate", c.name}}),
                                     &evidence.Add({{"certificate", c.name}}),
                                     &alarm.Add({{"certificate", c.name}}),
                                     {}});
    watched_.at(c.name).Show();
  }
  std::memcpy(&seed_, transport::NewControlNonce().data(), sizeof(seed_));
}

Auditor::~Auditor() { Save(); }

bool Auditor::Draw(const std::string& certificate) {
  if (!watched_.contains(certificate)) return false;
  const auto draw = static_cast<uint32_t>(drawn_++);
  return static_cast<double>(UniformAt(seed_, 0, draw, RngPurpose::kAudit)) < options_.share;
}

void Auditor::Served(ServedAnswer answer) {
  if (waiting_.size() >= options_.max_waiting) {
    watched_.at(answer.certificate).dropped->Increment();
  } else {
    waiting_.push_back(std::move(answer));
  }
}

// Runs the same request without exits. The same seed draws the same tokens.
void Auditor::Pump() {
  if (unsaved_ && MonotonicNow() - saved_at_ >= kSaveEvery) Save();
  if (running_ || waiting_.empty() || driver_->core().queued() > 0 || driver_->core().draining()) return;
  running_ = true;
  ServedAnswer served = std::move(waiting_.front());
  waiting_.pop_front();
  SequenceRequest request = InFull(served.request);
  const auto sink = std::make_shared<Sink>(shared_from_this(), std::move(served));
  sink->set_id(driver_->Submit(std::move(request), sink, Traffic::kAudit));
}

void Auditor::Ended(const ServedAnswer& served, const std::string& full_text) {
  Watched& watched = watched_.at(served.certificate);
  const bool alarmed = watched.process.alarmed();
  const double loss = certify::Loss(watched.loss, served.text, full_text);
  watched.process.Add(loss);
  watched.done->Increment();
  watched.loss_sum->Increment(loss);
  watched.Show();
  unsaved_ = true;
  if (watched.process.alarmed() && !alarmed) {
    spdlog::error("certificate={} no longer fits the traffic: mean loss {:.4f} over {} audits{}",
                  served.certificate, watched.process.mean_loss(), watched.process.state().count,
                  options_.fall_back ? "; its requests run in full from here on" : "");
  }
}

void Auditor::Failed(const ServedAnswer& served) {
  watched_.at(served.certificate).failed->Increment();
  Next();
}

// Makes a prompt of the request's prompt and the answer without its last token. The token that follows this
// prompt is the full model's choice in the place of the last one. The prompt takes as many positions as the
// answer did.
void Auditor::Score(ServedAnswer served) {
  if (served.request.sampling.temperature > 0 || served.tokens.empty()) return Next();
  SequenceRequest request = InFull(served.request);
  request.max_tokens = 1;
  request.sampling.n_logprobs = -1;
  if (served.tokens.size() > 1) request.score_from = static_cast<int>(request.prompt.size());
  for (size_t i = 0; i + 1 < served.tokens.size(); ++i) request.prompt.push_back(served.tokens[i].token);
  driver_->Submit(std::move(request), std::make_shared<ScoreSink>(shared_from_this(), std::move(served)),
                  Traffic::kAudit);
}

void Auditor::Scored(const ServedAnswer& served, const std::map<uint32_t, int32_t>& said) {
  Watched& watched = watched_.at(served.certificate);
  auto position = static_cast<uint32_t>(served.request.prompt.size());
  for (const ServedAnswer::Token& token : served.tokens) {
    const auto full = said.find(position++);
    if (full == said.end()) continue;
    const bool agrees = token.token == full->second;
    prometheus::Counter*& counter = watched.tokens[{token.exit_layer, agrees}];
    if (counter == nullptr) {
      counter = &audited_tokens_->Add({{"certificate", served.certificate},
                                       {"layer", std::to_string(token.exit_layer)},
                                       {"agrees", agrees ? "true" : "false"}});
    }
    counter->Increment(1.0 / options_.share);
  }
}

void Auditor::Next() {
  running_ = false;
  Pump();
}

// Evidence of certificates that are not served at present stays unchanged.
void Auditor::Save() {
  if (!unsaved_ || options_.state_file.empty()) return;
  unsaved_ = false;
  saved_at_ = MonotonicNow();
  for (const auto& [name, watched] : watched_) options_.kept[watched.hash] = {name, watched.process.state()};
  const Status written = WriteFile(options_.state_file, certify::ToJson(options_.kept) + "\n");
  if (!written) spdlog::error("--audit-state: {}", written.error().message);
}

void Auditor::Watched::Show() const {
  evidence->Set(process.wealth());
  alarm->Set(process.alarmed() ? 1 : 0);
}

bool Auditor::FallsBack(const std::string& certificate) const {
  const auto it = watched_.find(certificate);
  return options_.fall_back && it != watched_.end() && it->second.process.alarmed();
}

}  // namespace exeunt::coordinator
