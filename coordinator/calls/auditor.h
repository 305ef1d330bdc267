// The Auditor tests whether certificates still fit the traffic. It runs a random share of whole requests that
// were served under a certificate again in full, when nothing waits. The loss of the served answer against
// that one feeds an e-process per certificate (certify/e_process.h). A greedy answer is also scored. For each
// of its tokens, by the layer after which it left, the score says whether the full model would have given it
// after the same text. Audits do not change what is served, unless the fallback is on. After an alarm new
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
  double share = 0.0;  // audited share of the requests under a certificate, in [0, 1]
  // The largest chance that fitting traffic ever raises an alarm, in (0, 1).
  double level = 0.01;
  bool fall_back = false;
  size_t max_waiting = 256;      // limit of waiting audits, beyond which they are counted as dropped
  std::string state_file;        // file that keeps the evidence over restarts; "": none
  certify::EvidenceByHash kept;  // contents of the file at the start
};

// A request and its answer as they were served.
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
  // driver and registry must outlive the auditor.
  Auditor(const AuditOptions& options, const std::vector<certify::Certificate>& certificates,
          std::shared_ptr<const text::Tokenizer> tokenizer, Driver* driver, prometheus::Registry* registry);
  ~Auditor();  // writes the evidence

  // Draws whether an answer under the certificate is audited. It is drawn before the answer runs, once for
  // each prompt.
  bool Draw(const std::string& certificate);
  // Takes an audited request that has ended normally.
  void Served(ServedAnswer answer);
  // Runs waiting audits if there is room, and writes new evidence at most once a second. Call it when a
  // request ends.
  void Pump();
  // Returns whether the certificate has an alarm and its requests are to run in full.
  bool FallsBack(const std::string& certificate) const;

 private:
  class Sink;
  class ScoreSink;
  struct Watched {
    certify::TextLoss loss = certify::TextLoss::kRougeL;
    certify::EProcess process;
    std::string hash;  // hash of the certificate
    prometheus::Counter* done = nullptr;
    prometheus::Counter* failed = nullptr;
    prometheus::Counter* dropped = nullptr;
    prometheus::Counter* loss_sum = nullptr;
    prometheus::Gauge* evidence = nullptr;
    prometheus::Gauge* alarm = nullptr;
    std::map<std::pair<int32_t, bool>, prometheus::Counter*> tokens;  // by exit layer and agreement

    void Show() const;  // updates the gauges
  };
  void Ended(const ServedAnswer& served, const std::string& full_text);
  void Failed(const ServedAnswer& served);
  // Runs the served answer as a prompt, so that the full model scores each of its tokens.
  void Score(ServedAnswer served);
  // `said` has the full model's tokens by position.
  void Scored(const ServedAnswer& served, const std::map<uint32_t, int32_t>& said);
  // Ends the current audit.
  void Next();
  void Save();

  AuditOptions options_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Driver* driver_;
  prometheus::Family<prometheus::Counter>* audited_tokens_;
  std::map<std::string, Watched> watched_;
  std::deque<ServedAnswer> waiting_;
  bool running_ = false;  // whether an audit runs; at most one at a time
  bool unsaved_ = false;
  TimePoint saved_at_;
  uint64_t drawn_ = 0;
  uint64_t seed_ = 0;
};

}  // namespace exeunt::coordinator
