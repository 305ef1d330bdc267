#include "coordinator/metrics/stage_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "coordinator/metrics/stage_counters.h"
#include "transport/report_buckets.h"

namespace exeunt::coordinator {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::Registry;

Family<Gauge>& Level(Registry* registry, const char* name, const char* help) {
  return BuildGauge().Name(name).Help(help).Register(*registry);
}
Family<Counter>& Count(Registry* registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(*registry);
}

Labels With(Labels labels, const char* name, const std::string& value) {
  labels[name] = value;
  return labels;
}

const Histogram::BucketBoundaries& StepRowsBuckets() {
  static const Histogram::BucketBoundaries buckets(transport::kStepRowsBounds.begin(),
                                                   transport::kStepRowsBounds.end());
  return buckets;
}

}  // namespace

struct StageMetrics::Families {
  explicit Families(Registry* r)
      : exits(Count(r, "exeunt_exits_total", "Tokens that left, by layer: audits' and canaries' too")),
        layers_skipped(Count(r, "exeunt_stage_layers_skipped_total",
                             "Layers of the stage that tokens did not run, because they had left")),
        step_rows(BuildHistogram().Name("exeunt_stage_step_rows").Help("Rows of a step").Register(*r)),
        heartbeat(Level(r, "exeunt_stage_heartbeat_age_seconds", "Since the stage was last heard of")),
        backlog(Level(r, "exeunt_stage_backlog_rows", "Fills that wait at the stage")),
        kv_used(Level(r, "exeunt_stage_kv_pages_used", "K/V pages in use at the stage")),
        kv_pages(Level(r, "exeunt_stage_kv_pages", "K/V pages that the stage can hold")),
        in_flight(Level(r, "exeunt_stage_frames_in_flight", "Frames sent that the next stage has not taken")),
        micro_batches(
            Level(r, "exeunt_stage_micro_batches",
                  "Micro-batches in the pipeline: frames of stage 0 whose tokens are not all back")),
        layers(Level(r, "exeunt_stage_layers", "Layers that the stage holds")),
        info(Level(r, "exeunt_stage_info", "1; its label `layers` is the stage's share of the split")),
        usage(Level(r, "exeunt_kv_cache_usage_ratio", "Share of the K/V pages that admission has reserved")),
        reserved(Level(r, "exeunt_kv_pages_reserved", "K/V pages reserved by admission")),
        cached(Level(r, "exeunt_kv_pages_cached", "K/V pages of prompts that are over, kept for others")),
        capacity(Level(r, "exeunt_kv_pages", "K/V pages of the smallest stage")),
        open(Level(r, "exeunt_open_sequences", "Sequences open in the pipeline")),
        ready(Level(r, "exeunt_pipeline_ready", "1: loaded, and a token has come through")),
        restarts(Count(r, "exeunt_pipeline_restarts_total", "Times the pipeline's job was started again")) {
    for (const StageCounter& counter : kStageCounters)
      counters.push_back(&Count(r, counter.name, counter.help));
  }

  Family<Counter>& exits;
  Family<Counter>& layers_skipped;
  Family<Histogram>& step_rows;
  Family<Gauge>& heartbeat;
  Family<Gauge>& backlog;
  Family<Gauge>& kv_used;
  Family<Gauge>& kv_pages;
  Family<Gauge>& in_flight;
  Family<Gauge>& micro_batches;
  Family<Gauge>& layers;
  Family<Gauge>& info;
  Family<Gauge>& usage;
  Family<Gauge>& reserved;
  Family<Gauge>& cached;
  Family<Gauge>& capacity;
  Family<Gauge>& open;
  Family<Gauge>& ready;
  Family<Counter>& restarts;
  std::vector<Family<Counter>*> counters;  // in the order of kStageCounters
};

struct StageMetrics::Stage {
  Stage(Families* families, Labels its_labels, std::pair<int, int> its_layers)
      : labels(std::move(its_labels)),
        layers(its_layers),
        layers_skipped(families->layers_skipped.Add(labels)),
        step_rows(families->step_rows.Add(labels, StepRowsBuckets())),
        heartbeat(families->heartbeat.Add(labels)),
        backlog(families->backlog.Add(labels)),
        kv_used(families->kv_used.Add(labels)),
        kv_pages(families->kv_pages.Add(labels)),
        in_flight(families->in_flight.Add(labels)),
        micro_batches(families->micro_batches.Add(labels)) {
    for (size_t i = 0; i < kStageCounters.size(); ++i) {
      const char* kind = kStageCounters[i].kind;
      counters.push_back(&families->counters[i]->Add(kind == nullptr ? labels : With(labels, "kind", kind)));
    }
    families->layers.Add(labels).Set(layers.second - layers.first);
    const std::string range = std::to_string(layers.first) + "-" + std::to_string(layers.second);
    families->info.Add(With(labels, "layers", range)).Set(1);
  }
  Counter& ExitCounter(Families* families, int layer) {
    Counter*& counter = exits[layer];
    if (counter == nullptr) counter = &families->exits.Add(With(labels, "layer", std::to_string(layer)));
    return *counter;
  }
  void ObserveStepRows(const from_worker::StageReport& report);

  Labels labels;
  std::pair<int, int> layers;  // [begin, end)
  Counter& layers_skipped;
  Histogram& step_rows;
  Gauge& heartbeat;
  Gauge& backlog;
  Gauge& kv_used;
  Gauge& kv_pages;
  Gauge& in_flight;
  Gauge& micro_batches;
  std::vector<Counter*> counters;  // in the order of kStageCounters
  std::map<int, Counter*> exits;   // by layer
  uint64_t epoch = 0;
  from_worker::StageReport last;  // last report of this epoch
};

struct StageMetrics::Replica {
  Replica(Families* families, const Labels& labels)
      : usage(families->usage.Add(labels)),
        reserved(families->reserved.Add(labels)),
        cached(families->cached.Add(labels)),
        capacity(families->capacity.Add(labels)),
        open(families->open.Add(labels)),
        ready(families->ready.Add(labels)),
        restarts(families->restarts.Add(labels)) {}

  Gauge& usage;
  Gauge& reserved;
  Gauge& cached;
  Gauge& capacity;
  Gauge& open;
  Gauge& ready;
  Counter& restarts;
};

StageMetrics::StageMetrics(Registry* registry, uint32_t pipelines, const to_worker::Plan& plan)
    : families_(std::make_unique<Families>(registry)) {
  Level(registry, "exeunt_model_layers", "Layers of the model").Add({}).Set(plan.n_layers());
  for (uint32_t pipeline = 0; pipeline < pipelines; ++pipeline) {
    const Labels labels{{"replica", std::to_string(pipeline)}};
    replicas_.emplace_back(families_.get(), labels);
    auto& ranks = stages_.emplace_back();
    for (size_t rank = 0; rank < plan.stages.size(); ++rank) {
      const to_worker::LayerRange& range = plan.stages[rank];
      Stage& stage = ranks.emplace_back(families_.get(), With(labels, "stage", std::to_string(rank)),
                                        std::pair(range.begin, range.end));
      for (const int layer : plan.exit_layers) {
        if (layer > range.begin && layer <= range.end) stage.ExitCounter(families_.get(), layer);
      }
      if (rank + 1 == plan.stages.size()) stage.ExitCounter(families_.get(), range.end);
    }
  }
}

StageMetrics::~StageMetrics() = default;

// Adds the counts of a report, which are in buckets already.
void StageMetrics::Stage::ObserveStepRows(const from_worker::StageReport& report) {
  if (report.step_rows.size() != StepRowsBuckets().size() + 1) return;
  std::vector<double> grown(report.step_rows.begin(), report.step_rows.end());
  for (size_t i = 0; i < last.step_rows.size(); ++i) grown[i] -= static_cast<double>(last.step_rows[i]);
  const auto rows = [](const from_worker::StageReport& r) {
    return r.live_rows + r.prompt_rows + r.fill_rows;
  };
  step_rows.ObserveMultiple(grown, static_cast<double>(rows(report) - rows(last)));
}

void StageMetrics::AddExits(uint32_t pipeline, Stage* stage, const from_worker::StageReport& report) {
  std::map<int, uint64_t> before;
  for (const auto& exit : stage->last.exits) before[exit.layer] = exit.count;
  for (const auto& exit : report.exits) {
    if (exit.count <= before[exit.layer]) continue;
    const auto grown = static_cast<double>(exit.count - before[exit.layer]);
    stage->ExitCounter(families_.get(), exit.layer).Increment(grown);
    for (Stage& other : stages_[pipeline]) {
      const int skipped = other.layers.second - std::max(other.layers.first, exit.layer);
      if (skipped > 0) other.layers_skipped.Increment(grown * skipped);
    }
  }
}

void StageMetrics::Report(uint32_t pipeline, uint64_t epoch, uint32_t rank,
                          const from_worker::StageReport& report) {
  Stage& stage = stages_.at(pipeline).at(rank);
  if (stage.epoch != epoch) {
    stage.epoch = epoch;
    stage.last = {};
  }
  for (size_t i = 0; i < kStageCounters.size(); ++i) {
    const double grown = kStageCounters[i].value(report) - kStageCounters[i].value(stage.last);
    if (grown > 0) stage.counters[i]->Increment(grown);
  }
  stage.ObserveStepRows(report);
  AddExits(pipeline, &stage, report);
  stage.backlog.Set(report.backlog_rows);
  stage.kv_used.Set(report.kv_pages_used);
  stage.in_flight.Set(report.frames_in_flight);
  stage.micro_batches.Set(report.micro_batches);
  stage.last = report;
}

void StageMetrics::Update(TimePoint now, const CoordinatorCore& core) {
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const auto& from = core.replicas()[i];
    Replica& to = replicas_[i];
    const auto reserved = static_cast<double>(from.ledger.reserved_pages());
    const auto capacity = static_cast<double>(from.ledger.capacity_pages());
    to.reserved.Set(reserved);
    to.cached.Set(static_cast<double>(from.ledger.cached_pages()));
    to.capacity.Set(capacity);
    to.usage.Set(capacity > 0 ? reserved / capacity : 0);
    to.open.Set(static_cast<double>(from.sequences.size()));
    to.ready.Set(from.pipeline.verified() ? 1 : 0);
    to.restarts.Increment(static_cast<double>(from.pipeline.restarts()) - to.restarts.Value());
    for (size_t rank = 0; rank < from.pipeline.ranks().size(); ++rank) {
      const RankHealth& health = from.pipeline.ranks()[rank];
      stages_[i][rank].heartbeat.Set(health.connected ? Seconds(now - health.heard) : 0.0);
      stages_[i][rank].kv_pages.Set(static_cast<double>(health.loaded.kv_pages));
    }
  }
}

}  // namespace exeunt::coordinator
