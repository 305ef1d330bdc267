#include "coordinator/metrics/request_metrics.h"

#include <algorithm>

namespace exeunt::coordinator {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;
using prometheus::Registry;
using Buckets = Histogram::BucketBoundaries;

// The buckets are those of vLLM, so that its users' panels and alerts work.
const Buckets kFirstTokenBuckets = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                    1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
const Buckets kInterTokenBuckets = {.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3,
                                    .4,   .5,    .75,  1,   2.5,  5,   7.5,  10, 20,  40, 80};
const Buckets kRequestBuckets = {.01, .05, .1, .3, .5, .8, 1,   1.5, 2,   2.5, 5,    10,
                                 15,  20,  30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const Buckets kTokenCountBuckets = {1,   2,    5,    10,   20,    50,    100,   200,
                                    500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
const Buckets kChoicesBuckets = {1, 2, 5, 10, 20};

constexpr EndReason kEndReasons[] = {EndReason::kStop, EndReason::kLength, EndReason::kCancelled};
constexpr FailureKind kFailureKinds[] = {FailureKind::kContextLength,     FailureKind::kTooLarge,
                                         FailureKind::kQueueFull,         FailureKind::kNoPipeline,
                                         FailureKind::kPipelineRestarted, FailureKind::kQueueTimeout,
                                         FailureKind::kShuttingDown,      FailureKind::kDeadline,
                                         FailureKind::kRefused,           FailureKind::kStageFailed};

prometheus::Counter* Count(Registry* registry, const std::string& name, const std::string& help) {
  return &BuildCounter().Name(name).Help(help).Register(*registry).Add({});
}
prometheus::Gauge* Level(Registry* registry, const std::string& name, const std::string& help) {
  return &BuildGauge().Name(name).Help(help).Register(*registry).Add({});
}
Histogram* Spread(Registry* registry, const std::string& name, const std::string& help,
                  const Buckets& buckets) {
  return &BuildHistogram().Name(name).Help(help).Register(*registry).Add({}, buckets);
}

}  // namespace

RequestMetrics::RequestMetrics(Registry* registry, const to_worker::Plan& plan)
    : registry_(registry),
      n_layers_(plan.n_layers()),
      clients_(Make("exeunt_", "of clients")),
      audits_(Make("exeunt_audit_", "that audit")),
      exits_(&BuildCounter()
                  .Name("exeunt_request_exits_total")
                  .Help("Tokens generated for clients, by the layer that they left after")
                  .Register(*registry)),
      exits_by_layer_(static_cast<size_t>(n_layers_) + 1),
      layers_skipped_(Count(registry, "exeunt_request_layers_skipped_total",
                            "Layers that clients' tokens did not run, because they had left")),
      prefix_queries_(Count(registry, "exeunt_prefix_cache_queries_total",
                            "Tokens of admitted prompts, of every choice, that were looked up")),
      prefix_hits_(
          Count(registry, "exeunt_prefix_cache_hits_total", "Of them, those whose K/V was there already")),
      ttft_(Spread(registry, "exeunt_time_to_first_token_seconds", "From arrival to the first token",
                   kFirstTokenBuckets)),
      inter_token_(Spread(registry, "exeunt_inter_token_latency_seconds", "Between tokens of a sequence",
                          kInterTokenBuckets)),
      e2e_(
          Spread(registry, "exeunt_e2e_request_latency_seconds", "From arrival to the end", kRequestBuckets)),
      queue_(Spread(registry, "exeunt_request_queue_time_seconds", "From arrival to admission",
                    kRequestBuckets)),
      prefill_(Spread(registry, "exeunt_request_prefill_time_seconds", "From admission to the first token",
                      kRequestBuckets)),
      decode_(Spread(registry, "exeunt_request_decode_time_seconds", "From the first token to the last",
                     kRequestBuckets)),
      inference_(Spread(registry, "exeunt_request_inference_time_seconds", "From admission to the last token",
                        kRequestBuckets)),
      prompt_length_(
          Spread(registry, "exeunt_request_prompt_tokens", "Tokens of the prompt", kTokenCountBuckets)),
      generation_length_(
          Spread(registry, "exeunt_request_generation_tokens", "Tokens generated", kTokenCountBuckets)),
      max_tokens_(Spread(registry, "exeunt_request_params_max_tokens", "Tokens asked for, at most",
                         kTokenCountBuckets)),
      choices_(
          Spread(registry, "exeunt_request_params_n", "Choices asked for of each prompt", kChoicesBuckets)) {
  for (const int layer : plan.exit_layers) ExitCounter(layer);
  ExitCounter(n_layers_);
}

RequestMetrics::PerTraffic RequestMetrics::Make(const char* prefix, const char* whose) {
  const std::string name = prefix;
  const std::string of_whom = std::string(", ") + whose;
  PerTraffic made;
  made.waiting = Level(registry_, name + "requests_waiting", "Sequences that wait for a place" + of_whom);
  made.running = Level(registry_, name + "requests_running", "Sequences that a pipeline works on" + of_whom);
  made.prompt_tokens = Count(registry_, name + "prompt_tokens_total", "Tokens of admitted prompts" + of_whom);
  made.generation_tokens = Count(registry_, name + "generation_tokens_total", "Tokens generated" + of_whom);
  auto& finished = BuildCounter()
                       .Name(name + "request_success_total")
                       .Help("Sequences that ended without an error" + of_whom)
                       .Register(*registry_);
  for (const EndReason reason : kEndReasons) {
    made.finished[reason] = &finished.Add({{"finished_reason", EndReasonName(reason)}});
  }
  made.failures = &BuildCounter()
                       .Name(name + "request_failures_total")
                       .Help("Sequences that were refused or ended with an error" + of_whom)
                       .Register(*registry_);
  for (const FailureKind kind : kFailureKinds) FailureCounter(kind, &made);
  return made;
}

void RequestMetrics::Admitted(TimePoint now, uint32_t cached_tokens, SequenceLife* life) {
  life->admitted = now;
  PerTraffic& of = Of(life->traffic);
  of.waiting->Decrement();
  of.running->Increment();
  if (life->choice == 0) of.prompt_tokens->Increment(static_cast<double>(life->prompt_tokens));
  if (life->traffic != Traffic::kClient) return;
  queue_->Observe(Seconds(now - life->arrived));
  prefix_queries_->Increment(static_cast<double>(life->prompt_tokens));
  prefix_hits_->Increment(cached_tokens);
}

void RequestMetrics::Token(TimePoint now, int exit_layer, SequenceLife* life) {
  const bool first = life->tokens++ == 0;
  if (first) life->first_token = now;
  const TimePoint before = std::exchange(life->last_token, now);
  Of(life->traffic).generation_tokens->Increment();
  if (life->traffic != Traffic::kClient) return;
  if (first) {
    ttft_->Observe(Seconds(now - life->arrived));
  } else {
    inter_token_->Observe(Seconds(now - before));
  }
  ExitCounter(exit_layer)->Increment();
  layers_skipped_->Increment(std::max(0, n_layers_ - exit_layer));
}

void RequestMetrics::Left(const SequenceLife& life) {
  PerTraffic& of = Of(life.traffic);
  (life.admitted ? of.running : of.waiting)->Decrement();
}

void RequestMetrics::Finished(TimePoint now, EndReason reason, const SequenceLife& life) {
  Left(life);
  Of(life.traffic).finished.at(reason)->Increment();
  if (life.traffic != Traffic::kClient || reason == EndReason::kCancelled) return;
  e2e_->Observe(Seconds(now - life.arrived));
  prompt_length_->Observe(static_cast<double>(life.prompt_tokens));
  generation_length_->Observe(life.tokens);
  max_tokens_->Observe(life.max_tokens);
  if (!life.admitted || life.tokens == 0) return;
  prefill_->Observe(Seconds(life.first_token - *life.admitted));
  decode_->Observe(Seconds(life.last_token - life.first_token));
  inference_->Observe(Seconds(life.last_token - *life.admitted));
}

void RequestMetrics::Failed(FailureKind kind, const SequenceLife& life) {
  Left(life);
  FailureCounter(kind, &Of(life.traffic))->Increment();
}

prometheus::Counter* RequestMetrics::FailureCounter(FailureKind kind, PerTraffic* of) {
  Counter*& counter = of->failed[kind];
  if (counter == nullptr) counter = &of->failures->Add({{"reason", FailureKindName(kind)}});
  return counter;
}

prometheus::Counter* RequestMetrics::ExitCounter(int layer) {
  const auto at = static_cast<size_t>(std::clamp(layer, 0, n_layers_));
  Counter*& counter = exits_by_layer_[at];
  if (counter == nullptr) counter = &exits_->Add({{"layer", std::to_string(at)}});
  return counter;
}

RequestMetrics::Totals RequestMetrics::ClientTotals() const {
  Totals totals{clients_.prompt_tokens->Value(), clients_.generation_tokens->Value(),
                layers_skipped_->Value(), 0, 0};
  for (const auto& [reason, counter] : clients_.finished) totals.finished += counter->Value();
  for (const auto& [kind, counter] : clients_.failed) totals.failed += counter->Value();
  return totals;
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
    case FailureKind::kDeadline:
      return "deadline";
    case FailureKind::kRefused:
      return "refused";
    case FailureKind::kStageFailed:
      return "stage_failed";
  }
  return "unknown";
}

}  // namespace exeunt::coordinator
