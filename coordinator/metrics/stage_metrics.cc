#include "coordinator/metrics/stage_metrics.h"

#include <array>
#include <string>

namespace exeunt {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Labels;
using prometheus::Registry;

struct StageCounter {
  const char* name;
  const char* help;
  double (*value)(const proto::StageReport&);
};

template <auto Getter>
double Value(const proto::StageReport& report) {
  return static_cast<double>((report.*Getter)());
}

using R = proto::StageReport;
constexpr std::array kCounters = {
    StageCounter{"exeunt_stage_steps_total", "Steps computed", Value<&R::steps>},
    StageCounter{"exeunt_stage_live_rows_total", "Rows of decoding computed", Value<&R::live_rows>},
    StageCounter{"exeunt_stage_prompt_rows_total", "Rows of prompts computed", Value<&R::prompt_rows>},
    StageCounter{"exeunt_stage_fill_rows_total", "Rows whose K/V alone was computed", Value<&R::fill_rows>},
    StageCounter{"exeunt_stage_fills_dropped_total", "Fills of sequences that had ended",
                 Value<&R::fills_dropped>},
    StageCounter{"exeunt_stage_frames_sent_total", "Frames sent to the next stage", Value<&R::frames_sent>},
    StageCounter{"exeunt_stage_frames_received_total", "Frames received", Value<&R::frames_received>},
    StageCounter{"exeunt_stage_sent_bytes_total", "Bytes of frames sent", Value<&R::bytes_sent>},
    StageCounter{"exeunt_stage_received_bytes_total", "Bytes of frames received", Value<&R::bytes_received>},
    StageCounter{"exeunt_stage_busy_seconds_total", "Time spent computing", Value<&R::busy_seconds>},
    StageCounter{"exeunt_stage_idle_seconds_total", "Time with nothing to do", Value<&R::idle_seconds>},
    StageCounter{"exeunt_stage_blocked_seconds_total", "Time with work at hand and no credit to send it",
                 Value<&R::blocked_seconds>},
    StageCounter{"exeunt_stage_stale_frames_total", "Frames of an old epoch or generation, ignored",
                 Value<&R::stale_frames>},
    StageCounter{"exeunt_stage_mixed_batches_total", "Steps with rows of two or more sequences",
                 Value<&R::mixed_batches>},
};

}  // namespace

struct StageMetrics::Families {
  explicit Families(Registry* r)
      : exits(BuildCounter().Name("exeunt_exits_total").Help("Tokens that left, by layer").Register(*r)),
        heartbeat(Add(r, "exeunt_stage_heartbeat_age_seconds", "Since the stage was last heard of")),
        backlog(Add(r, "exeunt_stage_backlog_rows", "Fills that wait at the stage")),
        kv_used(Add(r, "exeunt_stage_kv_pages_used", "K/V pages in use at the stage")),
        in_flight(Add(r, "exeunt_stage_frames_in_flight", "Frames sent and not yet taken by the next stage")),
        reserved(Add(r, "exeunt_kv_pages_reserved", "K/V pages reserved by admission")),
        capacity(Add(r, "exeunt_kv_pages_total", "K/V pages of the smallest stage")),
        open(Add(r, "exeunt_open_sequences", "Sequences open in the pipeline")),
        ready(Add(r, "exeunt_pipeline_ready", "1: loaded, and a token has come through")),
        restarts(BuildCounter()
                     .Name("exeunt_pipeline_restarts_total")
                     .Help("Times the pipeline's job was started again")
                     .Register(*r)) {
    for (const StageCounter& counter : kCounters) {
      counters.push_back(&BuildCounter().Name(counter.name).Help(counter.help).Register(*r));
    }
  }
  static Family<Gauge>& Add(Registry* registry, const char* name, const char* help) {
    return BuildGauge().Name(name).Help(help).Register(*registry);
  }

  Family<Counter>& exits;
  Family<Gauge>& heartbeat;
  Family<Gauge>& backlog;
  Family<Gauge>& kv_used;
  Family<Gauge>& in_flight;
  Family<Gauge>& reserved;
  Family<Gauge>& capacity;
  Family<Gauge>& open;
  Family<Gauge>& ready;
  Family<Counter>& restarts;
  std::vector<Family<Counter>*> counters;
};

struct StageMetrics::Stage {
  Stage(Families* families, uint32_t pipeline, uint32_t rank)
      : labels{{"replica", std::to_string(pipeline)}, {"stage", std::to_string(rank)}},
        heartbeat(families->heartbeat.Add(labels)),
        backlog(families->backlog.Add(labels)),
        kv_used(families->kv_used.Add(labels)),
        in_flight(families->in_flight.Add(labels)) {
    for (Family<Counter>* family : families->counters) counters.push_back(&family->Add(labels));
  }

  Labels labels;
  Gauge& heartbeat;
  Gauge& backlog;
  Gauge& kv_used;
  Gauge& in_flight;
  std::vector<Counter*> counters;  // as kCounters
  std::map<int, Counter*> exits;
  uint64_t epoch = 0;
  proto::StageReport last;  // of this epoch
};

struct StageMetrics::Replica {
  Replica(Families* families, uint32_t pipeline)
      : labels{{"replica", std::to_string(pipeline)}},
        reserved(families->reserved.Add(labels)),
        capacity(families->capacity.Add(labels)),
        open(families->open.Add(labels)),
        ready(families->ready.Add(labels)),
        restarts(families->restarts.Add(labels)) {}

  Labels labels;
  Gauge& reserved;
  Gauge& capacity;
  Gauge& open;
  Gauge& ready;
  Counter& restarts;
};

StageMetrics::StageMetrics(Registry* registry, uint32_t pipelines, uint32_t stages)
    : families_(std::make_unique<Families>(registry)) {
  for (uint32_t pipeline = 0; pipeline < pipelines; ++pipeline) {
    replicas_.emplace_back(families_.get(), pipeline);
    auto& ranks = stages_.emplace_back();
    for (uint32_t rank = 0; rank < stages; ++rank) ranks.emplace_back(families_.get(), pipeline, rank);
  }
}

StageMetrics::~StageMetrics() = default;

void StageMetrics::Report(uint32_t pipeline, uint64_t epoch, uint32_t rank,
                          const proto::StageReport& report) {
  Stage& stage = stages_.at(pipeline).at(rank);
  if (stage.epoch != epoch) {
    stage.epoch = epoch;
    stage.last.Clear();
  }
  for (size_t i = 0; i < kCounters.size(); ++i) {
    const double grown = kCounters[i].value(report) - kCounters[i].value(stage.last);
    if (grown > 0) stage.counters[i]->Increment(grown);
  }
  std::map<int, uint64_t> before;
  for (const auto& exit : stage.last.exits()) before[exit.layer()] = exit.count();
  for (const auto& exit : report.exits()) {
    Counter*& counter = stage.exits[exit.layer()];
    if (counter == nullptr) {
      Labels labels = stage.labels;
      labels["layer"] = std::to_string(exit.layer());
      counter = &families_->exits.Add(labels);
    }
    if (exit.count() > before[exit.layer()]) {
      counter->Increment(static_cast<double>(exit.count() - before[exit.layer()]));
    }
  }
  stage.backlog.Set(report.backlog_rows());
  stage.kv_used.Set(report.kv_pages_used());
  stage.in_flight.Set(report.frames_in_flight());
  stage.last = report;
}

void StageMetrics::Update(TimePoint now, const CoordinatorCore& core) {
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const auto& from = core.replicas()[i];
    Replica& to = replicas_[i];
    to.reserved.Set(static_cast<double>(from.ledger.reserved_pages()));
    to.capacity.Set(static_cast<double>(from.ledger.capacity_pages()));
    to.open.Set(static_cast<double>(from.sequences.size()));
    to.ready.Set(from.pipeline.verified() ? 1 : 0);
    to.restarts.Increment(static_cast<double>(from.pipeline.restarts()) - to.restarts.Value());
    for (size_t rank = 0; rank < from.pipeline.ranks().size(); ++rank) {
      const RankHealth& health = from.pipeline.ranks()[rank];
      stages_[i][rank].heartbeat.Set(health.connected ? Seconds(now - health.heard) : 0.0);
    }
  }
}

}  // namespace exeunt
