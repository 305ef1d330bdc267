// Supervision: the jobs of the pipelines, their health, and draining. Admission is in core_admission.cc, and
// running requests are in core_requests.cc.
#include "coordinator/core/coordinator_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace exeunt::coordinator {

CoordinatorCore::CoordinatorCore(const CoreConfig& config)
    : config_(config), next_epoch_(config.first_epoch) {
  CHECK_GT(config_.pipelines, 0U);
  CHECK_GT(config_.stages, 0U);
  CHECK_GT(config_.first_epoch, 0U);
  for (uint32_t i = 0; i < config_.pipelines; ++i) replicas_.emplace_back(Pipeline(i, &config_));
}

std::vector<CoreAction> CoordinatorCore::Step(TimePoint now, std::vector<CoreEvent> events) {
  now_ = now;
  for (CoreEvent& event : events) std::visit([this](auto& e) { On(e); }, event);
  HandleDue();
  AdmitQueued();
  for (Replica& replica : replicas_) SendPending(&replica);
  if (draining_) StepDrain();
  return std::exchange(actions_, {});
}

bool CoordinatorCore::ready() const {
  return !draining_ && std::any_of(replicas_.begin(), replicas_.end(),
                                   [](const Replica& replica) { return replica.pipeline.verified(); });
}

std::optional<TimePoint> CoordinatorCore::oldest_arrival() const {
  const auto oldest = queue_.Oldest();
  if (!oldest) return std::nullopt;
  return requests_.at(*oldest).arrived;
}

// Returns the replica if the event belongs to its current job.
Replica* CoordinatorCore::Current(uint32_t pipeline, uint64_t epoch) {
  if (pipeline >= replicas_.size()) return nullptr;
  Replica& replica = replicas_[pipeline];
  return replica.pipeline.active() && replica.pipeline.epoch() == epoch ? &replica : nullptr;
}

void CoordinatorCore::On(WorkerConnected& event) {
  Replica* replica = Current(event.pipeline, event.epoch);
  if (replica == nullptr || event.rank >= config_.stages) return;
  replica->pipeline.OnConnected(now_, event.rank);
  SendTo(*replica, event.rank, config_.plan);
}

void CoordinatorCore::On(WorkerLost& event) {
  Replica* replica = Current(event.pipeline, event.epoch);
  if (replica == nullptr || shutdown_sent_) return;  // workers end after a Shutdown
  EndJob(replica, fmt::format("stage {}: connection lost: {}", event.rank, event.why));
}

void CoordinatorCore::On(WorkerMessage& event) {
  Replica* replica = Current(event.pipeline, event.epoch);
  if (replica == nullptr || event.rank >= config_.stages) return;
  if (const Pipeline::Why why = Dispatch(replica, &event)) EndJob(replica, *why);
}

Pipeline::Why CoordinatorCore::Dispatch(Replica* replica, WorkerMessage* event) {
  const bool was_loaded = replica->pipeline.loaded();
  if (const auto why = replica->pipeline.OnMessage(now_, event->rank, event->message)) return why;
  if (!replica->pipeline.loaded()) return std::nullopt;
  if (!was_loaded) Loaded(replica);
  if (auto* tokens = std::get_if<from_worker::Tokens>(&event->message)) return OnTokens(replica, tokens);
  if (auto* scores = std::get_if<from_worker::Scores>(&event->message)) return OnScores(replica, scores);
  if (const auto* finished = std::get_if<from_worker::SequenceFinished>(&event->message)) {
    return OnFinished(replica, event->rank, *finished);
  }
  if (const auto* refused = std::get_if<from_worker::SequenceRefused>(&event->message)) {
    return OnRefused(replica, event->rank, *refused);
  }
  if (const auto* failed = std::get_if<from_worker::SequenceFailed>(&event->message)) {
    return OnFailed(replica, event->rank, *failed);
  }
  if (const auto* closed = std::get_if<from_worker::SequencesClosed>(&event->message)) {
    return OnClosed(replica, event->rank, *closed);
  }
  if (const auto* report = std::get_if<from_worker::StageReport>(&event->message)) {
    replica->ledger.Report(now_, event->rank, *report);
  }
  return std::nullopt;
}

void CoordinatorCore::Loaded(Replica* replica) {
  const Pipeline& pipeline = replica->pipeline;
  replica->ledger = KvLedger(config_.stages, pipeline.kv_pages(), pipeline.page_tokens());
  replica->prefixes = PrefixCache(pipeline.page_tokens());
  replica->known_capacity_pages = pipeline.kv_pages();
  replica->known_page_tokens = pipeline.page_tokens();
  replica->idle_since = now_;
  try_admission_ = true;  // the capacity may have changed
  RunCanary(replica);
}

void CoordinatorCore::On(PipelineExited& event) {
  if (event.pipeline >= replicas_.size()) return;
  Replica& replica = replicas_[event.pipeline];
  const bool of_this_job = replica.pipeline.epoch() == event.epoch &&
                           (replica.pipeline.active() || replica.pipeline.state() == PipelineState::kEnding);
  if (!of_this_job) return;
  const std::string why = fmt::format("the job ended: {}", event.status);
  FailSequences(&replica, why);
  replica.pipeline.Exited(now_, why, draining_);
}

void CoordinatorCore::On(Tick&) {
  // The step took long or the process was stopped. Messages that the workers sent meanwhile have not been
  // read yet.
  const Duration limit = config_.heartbeat_timeout / 2;
  if (last_tick_ && now_ - *last_tick_ > limit) {
    for (Replica& replica : replicas_) replica.pipeline.Forgive(now_ - *last_tick_);
  }
  last_tick_ = now_;
  for (Replica& replica : replicas_) Supervise(&replica);
}

void CoordinatorCore::Supervise(Replica* replica) {
  Pipeline& pipeline = replica->pipeline;
  if (pipeline.EndOverdue(now_)) pipeline.Exited(now_, "the job did not end", draining_);
  if (pipeline.StartDue(now_)) {
    if (draining_) return pipeline.Exited(now_, "", true);
    pipeline.Start(now_, next_epoch_++);
    Emit(StartPipeline{pipeline.index(), pipeline.epoch()});
    return;
  }
  Pipeline::Why why = pipeline.CheckDeadlines(now_, !replica->sequences.empty());
  if (!why) why = CheckCanary(*replica);
  if (why) return EndJob(replica, *why);
  if (!pipeline.loaded()) return;
  RunCanary(replica);
  FlushOldBacklog(replica);
}

// Asks an idle pipeline for one token, which shows that it still works.
void CoordinatorCore::RunCanary(Replica* replica) {
  const bool due = !replica->pipeline.verified() || now_ - replica->idle_since >= config_.canary_idle;
  if (draining_ || !due || !replica->sequences.empty()) return;
  SequenceRequest record;
  record.prompt = {config_.canary_token};
  record.max_tokens = 1;
  record.sampling.temperature = 0.0F;
  if (!replica->ledger.FitsAfterEviction(Positions(record), {})) return;
  OpenIn({replica, {}}, record, std::nullopt);
}

Pipeline::Why CoordinatorCore::CheckCanary(const Replica& replica) const {
  for (const auto& [number, sequence] : replica.sequences) {
    if (!sequence.canary) continue;
    // Beside other work the canary may take its time, as long as the pipeline moves.
    const bool alone = replica.sequences.size() == 1;
    const TimePoint since =
        alone ? sequence.opened_at : std::max(sequence.opened_at, replica.pipeline.progress_at());
    if (now_ - since > config_.canary_timeout) {
      return fmt::format("the canary did not come back within {:.0f} s", Seconds(config_.canary_timeout));
    }
  }
  return std::nullopt;
}

void CoordinatorCore::FlushOldBacklog(Replica* replica) {
  auto old = replica->ledger.TakeOldBacklog(now_, config_.flush_after);
  if (!old.empty()) SendToAll(*replica, to_worker::Flush{std::move(old)});
}

void CoordinatorCore::EndJob(Replica* replica, const std::string& why) {
  FailSequences(replica, why);
  replica->pipeline.End(now_, why);
  Emit(EndPipeline{replica->pipeline.index(), replica->pipeline.epoch(), why});
}

void CoordinatorCore::FailSequences(Replica* replica, const std::string& why) {
  for (const auto& [number, sequence] : std::exchange(replica->sequences, {})) {
    if (!sequence.request) continue;
    FailRequest(
        *sequence.request, FailureKind::kPipelineRestarted,
        fmt::format("pipeline {} is being restarted ({}); please try again", replica->pipeline.index(), why));
  }
  replica->ledger = KvLedger();
  replica->prefixes = PrefixCache();
  replica->pending.open.clear();
  replica->pending_tokens = 0;
  replica->opened = 0;
}

void CoordinatorCore::On(Drain&) {
  if (draining_) return;
  draining_ = true;
  drain_deadline_ = now_ + config_.drain_timeout;
}

// Waits for the requests, then shuts the workers down, then ends the jobs.
void CoordinatorCore::StepDrain() {
  if (!shutdown_sent_) {
    if (!requests_.empty() && now_ < drain_deadline_) return;
    while (!requests_.empty()) {
      FailRequest(requests_.begin()->first, FailureKind::kShuttingDown, "the server is shutting down");
    }
    const to_worker::Shutdown shutdown{"the coordinator is shutting down"};
    for (const Replica& replica : replicas_) SendToAll(replica, shutdown);
    shutdown_sent_ = true;
    end_at_ = now_ + config_.shutdown_grace;
  }
  bool all_stopped = true;
  for (Replica& replica : replicas_) {
    Pipeline& pipeline = replica.pipeline;
    if (pipeline.active() && now_ >= end_at_) EndJob(&replica, "the coordinator is shutting down");
    if (pipeline.state() == PipelineState::kBackoff) pipeline.Exited(now_, "", true);
    all_stopped = all_stopped && pipeline.state() == PipelineState::kStopped;
  }
  if (all_stopped && !std::exchange(drained_, true)) Emit(Drained{});
}

void CoordinatorCore::SendTo(const Replica& replica, uint32_t rank, ToWorker message) {
  Emit(SendToWorker{replica.pipeline.index(), replica.pipeline.epoch(), rank, std::move(message)});
}

void CoordinatorCore::SendToAll(const Replica& replica, const ToWorker& message) {
  if (!replica.pipeline.active()) return;
  for (uint32_t rank = 0; rank < config_.stages; ++rank) {
    if (replica.pipeline.ranks()[rank].connected) SendTo(replica, rank, message);
  }
}

}  // namespace exeunt::coordinator
