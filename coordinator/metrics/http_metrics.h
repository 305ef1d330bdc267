// HttpMetrics counts requests and answers of the REST API for Prometheus.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <utility>

#include "base/clock.h"

namespace exeunt::coordinator {

// The registry must outlive it. One thread.
class HttpMetrics {
 public:
  explicit HttpMetrics(prometheus::Registry* registry);

  // The status of a client that went before its answer was complete, as in nginx.
  static constexpr int kClientGone = 499;

  // The handles of one route and method, valid as long as the metrics. All unknown methods share one handle.
  class Route {
   public:
    void Began(size_t request_bytes);
    void Sent(size_t bytes) { response_bytes_->Increment(static_cast<double>(bytes)); }
    void Ended(int status, Duration took);
    // Counts a request that was refused before its body was read, and therefore at once.
    void Refused(int status);

   private:
    friend class HttpMetrics;
    HttpMetrics* metrics_ = nullptr;
    prometheus::Labels labels_;
    prometheus::Counter* request_bytes_ = nullptr;
    prometheus::Counter* response_bytes_ = nullptr;
    prometheus::Histogram* duration_ = nullptr;
    std::map<int, prometheus::Counter*> by_status_;
  };
  Route* Of(const std::string& route, const std::string& method);
  // Counts a request that no route saw, because it was malformed or over a limit.
  void Refused(int status);

 private:
  prometheus::Family<prometheus::Counter>* requests_;
  prometheus::Family<prometheus::Counter>* request_bytes_;
  prometheus::Family<prometheus::Counter>* response_bytes_;
  prometheus::Family<prometheus::Histogram>* duration_;
  prometheus::Gauge* in_flight_;
  std::map<std::pair<std::string, std::string>, Route> routes_;
};

}  // namespace exeunt::coordinator
