// RequestMetrics counts the cost and the latency of sequences for Prometheus. Sequences of clients and of
// audits (coordinator/calls/auditor.h) are counted apart. Only those of clients have latencies.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "coordinator/core/types.h"

namespace exeunt::coordinator {

enum class Traffic { kClient, kAudit };

// The events of a sequence with their times. Events that did not happen are unset.
struct SequenceLife {
  Traffic traffic = Traffic::kClient;
  size_t prompt_tokens = 0;
  uint32_t max_tokens = 0;
  uint32_t choice = 0;  // number of the answer; the prompt is counted with choice 0
  uint32_t tokens = 0;  // tokens that the caller took
  TimePoint arrived;
  std::optional<TimePoint> admitted;
  TimePoint first_token;
  TimePoint last_token;
};

// The registry must outlive it. Handles are looked up once. One thread.
class RequestMetrics {
 public:
  // The layers are those of the plan.
  RequestMetrics(prometheus::Registry* registry, const to_worker::Plan& plan);

  void Submitted(Traffic traffic) { Of(traffic).waiting->Increment(); }
  // `cached_tokens` tokens of the prompt need not be computed.
  void Admitted(TimePoint now, uint32_t cached_tokens, SequenceLife* life);
  // A token was taken, which left after `exit_layer`.
  void Token(TimePoint now, int exit_layer, SequenceLife* life);
  void Finished(TimePoint now, EndReason reason, const SequenceLife& life);
  void Failed(FailureKind kind, const SequenceLife& life);
  // Counts a call of the API that asks for n choices of each prompt.
  void Asked(int n) { choices_->Observe(n); }

  // The totals of clients since the start.
  struct Totals {
    double prompt_tokens, generation_tokens, layers_skipped, finished, failed;
  };
  Totals ClientTotals() const;

 private:
  using Counter = prometheus::Counter;
  struct PerTraffic {
    prometheus::Gauge* waiting = nullptr;
    prometheus::Gauge* running = nullptr;
    Counter* prompt_tokens = nullptr;
    Counter* generation_tokens = nullptr;
    std::map<EndReason, Counter*> finished;
    prometheus::Family<Counter>* failures = nullptr;
    std::map<FailureKind, Counter*> failed;
  };
  PerTraffic Make(const char* prefix, const char* whose);
  PerTraffic& Of(Traffic traffic) { return traffic == Traffic::kClient ? clients_ : audits_; }
  static Counter* FailureCounter(FailureKind kind, PerTraffic* of);
  void Left(const SequenceLife& life);
  Counter* ExitCounter(int layer);

  prometheus::Registry* registry_;
  int n_layers_;
  PerTraffic clients_;
  PerTraffic audits_;
  prometheus::Family<Counter>* exits_;
  std::vector<Counter*> exits_by_layer_;  // [n_layers + 1]
  Counter* layers_skipped_;
  Counter* prefix_queries_;
  Counter* prefix_hits_;
  prometheus::Histogram* ttft_;
  prometheus::Histogram* inter_token_;
  prometheus::Histogram* e2e_;
  prometheus::Histogram* queue_;
  prometheus::Histogram* prefill_;
  prometheus::Histogram* decode_;
  prometheus::Histogram* inference_;
  prometheus::Histogram* prompt_length_;
  prometheus::Histogram* generation_length_;
  prometheus::Histogram* max_tokens_;
  prometheus::Histogram* choices_;
};

// The name of the failure in /metrics.
const char* FailureKindName(FailureKind kind);

}  // namespace exeunt::coordinator
