#include "coordinator/gateway/auditor.h"

#include <spdlog/spdlog.h>

#include <cstring>

#include "base/rng.h"
#include "coordinator/gateway/choice_text.h"
#include "transport/control_auth.h"

namespace exeunt {

// Collects the answer in full.
class Auditor::Sink : public TokenSink {
 public:
  Sink(std::shared_ptr<Auditor> auditor, ServedAnswer served)
      : auditor_(std::move(auditor)),
        served_(std::move(served)),
        text_(auditor_->tokenizer_, served_.record.end_tokens, served_.stop, false) {}
  void set_id(RequestId id) { id_ = id; }

  void OnTokens(const std::vector<proto::TokenEvent>& tokens) override {
    if (text_.stopped()) return;
    for (const proto::TokenEvent& token : tokens) text_.Push(token, &body_);
    if (text_.stopped()) auditor_->driver_->Stop(id_);
  }
  void OnFinished(EndReason reason, uint32_t) override {
    if (reason == EndReason::kCancelled && !text_.stopped()) return auditor_->Failed(served_);
    text_.Finish(&body_);
    auditor_->Ended(served_, body_.text);
  }
  void OnFailed(FailureKind, const std::string&) override { auditor_->Failed(served_); }

 private:
  std::shared_ptr<Auditor> auditor_;
  ServedAnswer served_;
  ChoiceText text_;
  ChoiceBody body_;
  RequestId id_ = 0;
};

Auditor::Auditor(const AuditOptions& options, const std::vector<Certificate>& certificates,
                 std::shared_ptr<const Tokenizer> tokenizer, Driver* driver, prometheus::Registry* registry)
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
  for (const Certificate& c : certificates) {
    const auto kind = TextLossOf(c.loss);
    if (!kind) continue;  // a user's own losses cannot be computed here
    const auto result = [&](const char* name) {
      return &audits.Add({{"certificate", c.name}, {"result", name}});
    };
    watched_.emplace(
        c.name, Watched{*kind, EProcess(c.watch_delta, options.level), result("done"), result("failed"),
                        result("dropped"), &loss.Add({{"certificate", c.name}}),
                        &evidence.Add({{"certificate", c.name}}), &alarm.Add({{"certificate", c.name}})});
    watched_.at(c.name).evidence->Set(1.0);
  }
  std::memcpy(&seed_, NewControlNonce().data(), sizeof(seed_));
}

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

// The same request but for its exits: the same seed draws the same tokens.
void Auditor::Pump() {
  if (running_ || waiting_.empty() || driver_->core().queued() > 0 || driver_->core().draining()) return;
  running_ = true;
  ServedAnswer served = std::move(waiting_.front());
  waiting_.pop_front();
  RequestRecord record = served.record;
  record.exit = {};
  const auto sink = std::make_shared<Sink>(shared_from_this(), std::move(served));
  sink->set_id(driver_->Submit(std::move(record), sink));
}

void Auditor::Ended(const ServedAnswer& served, const std::string& full_text) {
  running_ = false;
  Watched& watched = watched_.at(served.certificate);
  const bool alarmed = watched.process.alarmed();
  const double loss = Loss(watched.loss, served.text, full_text);
  watched.process.Add(loss);
  watched.done->Increment();
  watched.loss_sum->Increment(loss);
  watched.evidence->Set(watched.process.wealth());
  watched.alarm->Set(watched.process.alarmed() ? 1 : 0);
  if (watched.process.alarmed() && !alarmed) {
    spdlog::error("certificate={} no longer fits the traffic: mean loss {:.4f} over {} audits{}",
                  served.certificate, watched.process.mean_loss(), watched.process.state().count,
                  options_.fall_back ? "; its requests run in full from here on" : "");
  }
  Pump();
}

void Auditor::Failed(const ServedAnswer& served) {
  running_ = false;
  watched_.at(served.certificate).failed->Increment();
  Pump();
}

bool Auditor::FallsBack(const std::string& certificate) const {
  const auto it = watched_.find(certificate);
  return options_.fall_back && it != watched_.end() && it->second.process.alarmed();
}

}  // namespace exeunt
