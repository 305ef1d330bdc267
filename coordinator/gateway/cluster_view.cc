#include "coordinator/gateway/cluster_view.h"

#include <boost/json.hpp>

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

json::object ReportView(const from_worker::StageReport& report) {
  json::object exits;
  for (const auto& exit : report.exits) exits[std::to_string(exit.layer)] = exit.count;
  return {{"steps", report.steps},
          {"live_rows", report.live_rows},
          {"prompt_rows", report.prompt_rows},
          {"fill_rows", report.fill_rows},
          {"fills_sent", report.fills_sent},
          {"fills_dropped", report.fills_dropped},
          {"frames_sent", report.frames_sent},
          {"returns_sent", report.returns_sent},
          {"frames_received", report.frames_received},
          {"bytes_sent", report.bytes_sent},
          {"bytes_received", report.bytes_received},
          {"busy_seconds", report.busy_seconds},
          {"idle_seconds", report.idle_seconds},
          {"bubble_seconds", report.bubble_seconds},
          {"blocked_seconds", report.blocked_seconds},
          {"kv_pages_used", report.kv_pages_used},
          {"open_sequences", report.open_sequences},
          {"backlog_rows", report.backlog_rows},
          {"frames_in_flight", report.frames_in_flight},
          {"micro_batches", report.micro_batches},
          {"micro_batches_max", report.micro_batches_max},
          {"largest_batch_rows", report.largest_batch_rows},
          {"mixed_batches", report.mixed_batches},
          {"stale_frames", report.stale_frames},
          {"exits", std::move(exits)}};
}

json::object StageView(TimePoint now, const CoreConfig& config, uint32_t rank, const RankHealth& health) {
  json::object view{
      {"rank", rank},
      {"connected", health.connected},
      {"ready", health.ready},
      {"load_fraction", health.load_fraction},
      {"load_what", health.load_what},
      {"busy", health.busy},
      {"progress", health.progress},
      {"heartbeat_age_seconds", health.connected ? json::value(Seconds(now - health.heard)) : nullptr}};
  if (rank < config.plan.stages.size()) {
    const auto& range = config.plan.stages[rank];
    view["layers"] = json::array{range.begin, range.end};
  }
  if (health.ready) {
    view["kv_pages"] = health.loaded.kv_pages;
    view["weight_bytes"] = health.loaded.weight_bytes;
    view["head_bytes"] = health.loaded.head_bytes;
    view["isa"] = health.loaded.isa;
    view["invariance"] = health.loaded.invariance;
    view["report"] = ReportView(health.report);
  }
  return view;
}

json::object SequenceView(uint64_t number, const SequenceKv& kv) {
  json::array stages;
  for (size_t rank = 0; rank < kv.stages.size(); ++rank) {
    stages.push_back(json::object{{"watermark", kv.stages[rank].watermark},
                                  {"backlog", kv.stages[rank].backlog},
                                  {"closed", static_cast<bool>(kv.closed[rank])}});
  }
  return {{"sequence", number},
          {"pages", kv.pages.size()},
          {"positions", kv.positions},
          {"stages", std::move(stages)}};
}

json::object ReplicaView(TimePoint now, const CoreConfig& config, const Replica& replica) {
  const Pipeline& pipeline = replica.pipeline;
  json::array stages, sequences;
  for (uint32_t rank = 0; rank < pipeline.ranks().size(); ++rank) {
    stages.push_back(StageView(now, config, rank, pipeline.ranks()[rank]));
  }
  uint64_t backlog = 0;
  for (const auto& [number, kv] : replica.ledger.sequences()) {
    sequences.push_back(SequenceView(number, kv));
    for (const StageKv& stage : kv.stages) backlog += stage.backlog;
  }
  return {{"pipeline", pipeline.index()},
          {"state", PipelineStateName(pipeline.state())},
          {"verified", pipeline.verified()},
          {"epoch", pipeline.epoch()},
          {"restarts", pipeline.restarts()},
          {"last_error",
           pipeline.last_error().empty() ? json::value(nullptr) : json::value(pipeline.last_error())},
          {"open_sequences", replica.sequences.size()},
          {"kv",
           {{"pages_reserved", replica.ledger.reserved_pages()},
            {"pages_total", replica.ledger.capacity_pages()},
            {"pages_cached", replica.ledger.cached_pages()},
            {"page_tokens", replica.ledger.page_tokens()},
            {"backlog", backlog},
            {"sequences", std::move(sequences)}}},
          {"stages", std::move(stages)}};
}

json::object RequestsView(TimePoint now, const CoordinatorCore& core) {
  json::object by_priority;
  for (const auto& [priority, waiting] : core.queue().SizeByPriority()) {
    by_priority[std::to_string(priority)] = waiting;
  }
  const auto oldest = core.oldest_arrival();
  return {{"running", core.running()},
          {"waiting", core.queued()},
          {"waiting_by_priority", std::move(by_priority)},
          {"oldest_wait_seconds", oldest ? json::value(Seconds(now - *oldest)) : nullptr}};
}

}  // namespace

json::object ClusterView(TimePoint now, const CoordinatorCore& core) {
  const CoreConfig& config = core.config();
  json::array pipelines;
  for (const Replica& replica : core.replicas()) pipelines.push_back(ReplicaView(now, config, replica));
  return {{"ready", core.ready()},
          {"draining", core.draining()},
          {"requests", RequestsView(now, core)},
          {"stale_events", core.stale_events()},
          {"exit_layers", json::value_from(config.plan.exit_layers)},
          {"pipelines", std::move(pipelines)}};
}

json::object TotalsView(const RequestMetrics::Totals& totals) {
  const auto whole = [](double count) { return static_cast<uint64_t>(count); };
  return {{"prompt_tokens", whole(totals.prompt_tokens)},
          {"generation_tokens", whole(totals.generation_tokens)},
          {"layers_skipped", whole(totals.layers_skipped)},
          {"requests_finished", whole(totals.finished)},
          {"requests_failed", whole(totals.failed)}};
}

}  // namespace exeunt::coordinator
