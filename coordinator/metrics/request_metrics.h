// RequestMetrics: what sequences cost and how long they take, for Prometheus. Those of clients and those that
// audit (coordinator/calls/auditor.h) are told apart: only clients' have latencies.
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

// What happened to a sequence, and when; what did not happen is unset.
struct SequenceLife {
  Traffic traffic = Traffic::kClient;
  size_t prompt_tokens = 0;
  uint32_t max_tokens = 0;
  uint32_t choice = 0;  // of its prompt, which is counted with choice 0
  uint32_t tokens = 0;  // that were taken by whoever asked for them
  TimePoint arrived;
  std::optional<TimePoint> admitted;
  TimePoint first_token;
  TimePoint last_token;
};

// The registry outlives it. Handles are looked up once. One thread.
class RequestMetrics {
 public:
  // The layers are the plan's.
  RequestMetrics(prometheus::Registry* registry, const to_worker::Plan& plan);

  void Submitted(Traffic traffic) { Of(traffic).waiting->Increment(); }
  // So many tokens of the prompt need not be computed.
  void Admitted(TimePoint now, uint32_t cached_tokens, SequenceLife* life);
  // A token was taken, which left after `exit_layer`.
  void Token(TimePoint now, int exit_layer, SequenceLife* life);
  void Finished(TimePoint now, EndReason reason, const SequenceLife& life);
  void Failed(FailureKind kind, const SequenceLife& life);
  // A call of the API that asks for so many choices of each prompt.
  void Asked(int n) { choices_->Observe(n); }

  // Of clients, since the start.
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

// How /metrics names them.
const char* FailureKindName(FailureKind kind);

}  // namespace exeunt::coordinator
