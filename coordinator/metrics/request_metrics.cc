#include "coordinator/metrics/request_metrics.h"

namespace exeunt {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;

const Histogram::BucketBoundaries kFirstTokenBuckets = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,
                                                        .75,  1,    2.5, 5,   7.5, 10,  20,  40, 80,  160};
const Histogram::BucketBoundaries kTokenBuckets = {.001, .0025, .005, .01, .025, .05, .075, .1,  .15, .2,
                                                   .3,   .4,    .5,   .75, 1,    2.5, 5,    7.5, 10,  20};
const Histogram::BucketBoundaries kRequestBuckets = {.01, .05, .1, .3, .5, .8, 1,  1.5, 2,   2.5, 5,
                                                     10,  15,  20, 30, 40, 50, 60, 120, 240, 480, 960};

prometheus::Counter& Count(prometheus::Registry* registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(*registry).Add({});
}
prometheus::Gauge& Level(prometheus::Registry* registry, const char* name, const char* help) {
  return BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}
Histogram& Spread(prometheus::Registry* registry, const char* name, const char* help,
                  const Histogram::BucketBoundaries& buckets) {
  return BuildHistogram().Name(name).Help(help).Register(*registry).Add({}, buckets);
}

}  // namespace

RequestMetrics::RequestMetrics(prometheus::Registry* registry)
    : requests_(BuildCounter()
                    .Name("exeunt_requests_total")
                    .Help("Sequences that ended, by reason")
                    .Register(*registry)),
      http_(BuildCounter()
                .Name("exeunt_http_requests_total")
                .Help("HTTP requests, by route and status")
                .Register(*registry)),
      prompt_tokens_(Count(registry, "exeunt_prompt_tokens_total", "Tokens of admitted prompts")),
      cached_tokens_(Count(registry, "exeunt_prompt_cached_tokens_total",
                           "Tokens of admitted prompts whose K/V was there already")),
      generated_tokens_(Count(registry, "exeunt_generated_tokens_total", "Tokens generated for clients")),
      running_(Level(registry, "exeunt_requests_running", "Sequences that a pipeline works on")),
      waiting_(Level(registry, "exeunt_requests_waiting", "Sequences that wait for a place")),
      ttft_(Spread(registry, "exeunt_time_to_first_token_seconds", "From arrival to the first token",
                   kFirstTokenBuckets)),
      inter_token_(
          Spread(registry, "exeunt_inter_token_seconds", "Between tokens of a sequence", kTokenBuckets)),
      e2e_(Spread(registry, "exeunt_request_seconds", "From arrival to the end", kRequestBuckets)),
      queue_(Spread(registry, "exeunt_request_queue_seconds", "From arrival to admission", kRequestBuckets)) {
}

void RequestMetrics::Admitted(size_t prompt_tokens, uint32_t cached_tokens, Duration queued) {
  cached_tokens_.Increment(cached_tokens);
  prompt_tokens_.Increment(static_cast<double>(prompt_tokens));
  queue_.Observe(Seconds(queued));
}

void RequestMetrics::Finished(const std::string& reason, uint32_t tokens, Duration since_arrival) {
  prometheus::Counter*& counter = by_reason_[reason];
  if (counter == nullptr) counter = &requests_.Add({{"finish_reason", reason}});
  counter->Increment();
  generated_tokens_.Increment(tokens);
  e2e_.Observe(Seconds(since_arrival));
}

void RequestMetrics::Http(const std::string& route, int status) {
  prometheus::Counter*& counter = by_status_[{route, status}];
  if (counter == nullptr) counter = &http_.Add({{"route", route}, {"status", std::to_string(status)}});
  counter->Increment();
}

void RequestMetrics::Waiting(size_t waiting, size_t running) {
  waiting_.Set(static_cast<double>(waiting));
  running_.Set(static_cast<double>(running));
}

const char* EndReasonName(EndReason reason) {
  switch (reason) {
    case EndReason::kStop:
      return "stop";
    case EndReason::kLength:
      return "length";
    case EndReason::kCancelled:
      return "abort";
  }
  return "unknown";
}

const char* FailureKindName(FailureKind kind) {
  switch (kind) {
    case FailureKind::kContextLength:
      return "context_length";
    case FailureKind::kTooLarge:
      return "too_large";
    case FailureKind::kQueueFull:
      return "queue_full";
    case FailureKind::kNoPipeline:
      return "no_pipeline";
    case FailureKind::kPipelineRestarted:
      return "pipeline_restarted";
    case FailureKind::kQueueTimeout:
      return "queue_timeout";
    case FailureKind::kShuttingDown:
      return "shutting_down";
  }
  return "unknown";
}

}  // namespace exeunt
