// RequestMetrics: what requests cost and how long they take, for Prometheus.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

#include "base/clock.h"
#include "coordinator/core/types.h"

namespace exeunt {

// The registry outlives it. Handles are looked up once. One thread.
class RequestMetrics {
 public:
  explicit RequestMetrics(prometheus::Registry* registry);

  void Admitted(size_t prompt_tokens, uint32_t cached_tokens, Duration queued);
  void FirstToken(Duration since_arrival) { ttft_.Observe(Seconds(since_arrival)); }
  void NextToken(Duration since_last) { inter_token_.Observe(Seconds(since_last)); }
  // `reason`: stop, length, abort, or the name of a failure.
  void Finished(const std::string& reason, uint32_t tokens, Duration since_arrival);
  void Http(const std::string& route, int status);
  void Waiting(size_t waiting, size_t running);

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Counter>& http_;
  prometheus::Counter& prompt_tokens_;
  prometheus::Counter& cached_tokens_;
  prometheus::Counter& generated_tokens_;
  prometheus::Gauge& running_;
  prometheus::Gauge& waiting_;
  prometheus::Histogram& ttft_;
  prometheus::Histogram& inter_token_;
  prometheus::Histogram& e2e_;
  prometheus::Histogram& queue_;
  std::map<std::string, prometheus::Counter*> by_reason_;
  std::map<std::pair<std::string, int>, prometheus::Counter*> by_status_;
};

// How /metrics names them.
const char* EndReasonName(EndReason reason);
const char* FailureKindName(FailureKind kind);

}  // namespace exeunt
