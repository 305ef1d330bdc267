// Auditor: whether certificates still fit the traffic. A random share of whole requests that were served
// under a certificate is run again in full, when nothing waits; the loss of the answer that was served
// against that one feeds an e-process per certificate (certify/e_process.h). A greedy answer is then scored
// too: for each of its tokens, by the layer it left after, whether the full model would have said it after
// the same text. None of it changes what is served, unless it is asked to fall back: after an alarm, new
// requests for the certificate then run in full. One thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "certify/certificate.h"
#include "certify/e_process.h"
#include "certify/evidence_file.h"
#include "coordinator/driver/driver.h"
#include "text/tokenizer.h"

namespace exeunt::coordinator {

struct AuditOptions {
  double share = 0.0;   // of the requests under a certificate, in [0, 1]
  double level = 0.01;  // chance that traffic that fits ever raises an alarm, at most; in (0, 1)
  bool fall_back = false;
  size_t max_waiting = 256;  // chosen requests that wait for room; what comes beyond is counted as dropped
  std::string state_file;    // keeps the evidence over restarts; "": none
  certify::EvidenceByHash kept;  // what was in it
};

// A request as it was served.
struct ServedAnswer {
  std::string certificate;
  SequenceRequest request;
  std::vector<std::string> stop;
  std::string text;
  struct Token {
    int32_t token;
    int32_t exit_layer;
  };
  std::vector<Token> tokens;
};

class Auditor : public std::enable_shared_from_this<Auditor> {
 public:
  // driver and registry outlive it.
  Auditor(const AuditOptions& options, const std::vector<certify::Certificate>& certificates,
          std::shared_ptr<const text::Tokenizer> tokenizer, Driver* driver, prometheus::Registry* registry);
  ~Auditor();  // writes the evidence

  // Whether an answer under the certificate is to be audited: drawn before it runs, once for each prompt.
  bool Draw(const std::string& certificate);
  // An audited request has ended as it should.
  void Served(ServedAnswer answer);
  // Runs what waits, if there is room, and writes new evidence, at most once a second: call it when a request
  // ends.
  void Pump();
  // The certificate has alarmed, and its requests are to run in full.
  bool FallsBack(const std::string& certificate) const;

 private:
  class Sink;
  class ScoreSink;
  struct Watched {
    certify::TextLoss loss = certify::TextLoss::kRougeL;
    certify::EProcess process;
    std::string hash;  // of the certificate
    prometheus::Counter* done = nullptr;
    prometheus::Counter* failed = nullptr;
    prometheus::Counter* dropped = nullptr;
    prometheus::Counter* loss_sum = nullptr;
    prometheus::Gauge* evidence = nullptr;
    prometheus::Gauge* alarm = nullptr;
    std::map<std::pair<int32_t, bool>, prometheus::Counter*> tokens;  // by exit layer and agreement

    void Show() const;  // the gauges
  };
  void Ended(const ServedAnswer& served, const std::string& full_text);
  void Failed(const ServedAnswer& served);
  // Runs the served answer as a prompt, of which the full model says what it would have said.
  void Score(ServedAnswer served);
  // said: the full model's tokens, by position.
  void Scored(const ServedAnswer& served, const std::map<uint32_t, int32_t>& said);
  // The audit in hand is over.
  void Next();
  void Save();

  AuditOptions options_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Driver* driver_;
  prometheus::Family<prometheus::Counter>* audited_tokens_;
  std::map<std::string, Watched> watched_;
  std::deque<ServedAnswer> waiting_;
  bool running_ = false;  // one at a time
  bool unsaved_ = false;
  TimePoint saved_at_;
  uint64_t drawn_ = 0;
  uint64_t seed_ = 0;
};

}  // namespace exeunt::coordinator
