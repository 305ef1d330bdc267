#include "coordinator/metrics/http_metrics.h"

#include <algorithm>

namespace exeunt::coordinator {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;

const prometheus::Histogram::BucketBoundaries kDurationBuckets = {
    .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};
constexpr const char* kMethods[] = {"GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT", "PATCH"};

// Maps unknown methods to "other", so that there are few labels whatever clients send.
std::string MethodLabel(const std::string& method) {
  return std::find(std::begin(kMethods), std::end(kMethods), method) == std::end(kMethods) ? "other" : method;
}

}  // namespace

HttpMetrics::HttpMetrics(prometheus::Registry* registry)
    : requests_(&BuildCounter()
                     .Name("exeunt_http_requests_total")
                     .Help("HTTP requests that were answered; 499: the client had gone")
                     .Register(*registry)),
      request_bytes_(&BuildCounter()
                          .Name("exeunt_http_request_body_bytes_total")
                          .Help("Bytes of the bodies of HTTP requests")
                          .Register(*registry)),
      response_bytes_(&BuildCounter()
                           .Name("exeunt_http_response_body_bytes_total")
                           .Help("Bytes of the bodies of HTTP answers")
                           .Register(*registry)),
      duration_(&BuildHistogram()
                     .Name("exeunt_http_request_duration_seconds")
                     .Help("From an HTTP request's last byte to its answer's, streams included")
                     .Register(*registry)),
      in_flight_(&BuildGauge()
                      .Name("exeunt_http_requests_in_flight")
                      .Help("HTTP requests whose answer is not complete")
                      .Register(*registry)
                      .Add({})) {}

HttpMetrics::Route* HttpMetrics::Of(const std::string& route, const std::string& method) {
  const std::pair key(route, MethodLabel(method));
  const auto [it, fresh] = routes_.try_emplace(key);
  Route& made = it->second;
  if (!fresh) return &made;
  made.metrics_ = this;
  made.labels_ = {{"route", key.first}, {"method", key.second}};
  made.request_bytes_ = &request_bytes_->Add(made.labels_);
  made.response_bytes_ = &response_bytes_->Add(made.labels_);
  made.duration_ = &duration_->Add(made.labels_, kDurationBuckets);
  return &made;
}

void HttpMetrics::Route::Began(size_t request_bytes) {
  metrics_->in_flight_->Increment();
  request_bytes_->Increment(static_cast<double>(request_bytes));
}

void HttpMetrics::Route::Ended(int status, Duration took) {
  metrics_->in_flight_->Decrement();
  duration_->Observe(Seconds(took));
  prometheus::Counter*& counter = by_status_[status];
  if (counter == nullptr) {
    prometheus::Labels labels = labels_;
    labels["status"] = std::to_string(status);
    counter = &metrics_->requests_->Add(labels);
  }
  counter->Increment();
}

void HttpMetrics::Route::Refused(int status) {
  Began(0);
  Ended(status, Duration{0});
}

void HttpMetrics::Refused(int status) { Of("none", "other")->Refused(status); }

}  // namespace exeunt::coordinator
