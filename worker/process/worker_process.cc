#include "worker/process/worker_process.h"

#include <sched.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "model/model_source.h"
#include "transport/request_message.h"
#include "worker/core/sequence_message.h"
#include "worker/process/local_pipeline.h"
#include "worker/process/logits_digest.h"

namespace exeunt::worker {
namespace {

constexpr auto kPlanDeadline = std::chrono::seconds(30);
constexpr auto kReportEvery = std::chrono::milliseconds(100);
constexpr auto kIdleReportEvery = std::chrono::seconds(1);  // idle time is reported, too
// The time after which an idle worker wakes to check its link. A doorbell wakes it at once.
constexpr auto kIdleWait = std::chrono::seconds(1);
constexpr int kYieldTurns = 200;  // turns without work that only yield, before short sleeps
constexpr auto kBackOff = std::chrono::microseconds(100);

template <typename Message>
void AddTop(const std::vector<std::pair<int32_t, float>>& top, Message* message) {
  for (const auto& [token, logprob] : top) {
    auto* entry = message->add_top();
    entry->set_token(token);
    entry->set_logprob(logprob);
  }
}

Status CheckPlan(const proto::Plan& plan, const WorkerIdentity& identity, const ModelConfig& model) {
  if (plan.stages_size() != identity.ranks) {
    return InvalidArgument("plan has {} stages, the job {} ranks", plan.stages_size(), identity.ranks);
  }
  int next = 0;
  for (const auto& stage : plan.stages()) {
    if (stage.begin() != next || stage.end() <= stage.begin() || stage.end() > model.n_layers) {
      return InvalidArgument("plan: stage of layers [{}, {}) does not follow layer {} of {}", stage.begin(),
                             stage.end(), next, model.n_layers);
    }
    next = stage.end();
  }
  if (next != model.n_layers) return InvalidArgument("plan covers {} of {} layers", next, model.n_layers);
  int before = 0;
  for (int exit : plan.exit_layers()) {
    if (exit <= before || exit >= model.n_layers) {
      return InvalidArgument("plan: exit layer {} is not between {} and {}", exit, before, model.n_layers);
    }
    before = exit;
  }
  if (plan.threads() < 1 || plan.prefill_chunk_tokens() < 1 || plan.max_batch_rows() < 1 ||
      plan.max_batch_rows() > static_cast<int>(kMaxFrameRows)) {
    return InvalidArgument(
        "plan: threads {}, prefill_chunk_tokens {} and max_batch_rows {} (at most {}) must be positive",
        plan.threads(), plan.prefill_chunk_tokens(), plan.max_batch_rows(), kMaxFrameRows);
  }
  return OkStatus();
}

// Returns the pages of the whole pipeline. Every stage holds as many pages for its own layers.
Result<int> PlanPages(const proto::Plan& plan, const Backend& backend, const ModelConfig& model) {
  const uint64_t page_bytes = backend.PageBytes(model, model.n_layers);
  const uint64_t pages = std::min<uint64_t>(plan.kv_budget_bytes() / page_bytes, 1U << 24);
  if (pages == 0) {
    return ResourceExhausted("KV budget of {} bytes holds no page of {} bytes", plan.kv_budget_bytes(),
                             page_bytes);
  }
  return static_cast<int>(pages);
}

}  // namespace

WorkerProcess::WorkerProcess(const WorkerIdentity& identity, transport::ControlChannel* control,
                             transport::DataChannel* data, WorkerProgress* progress)
    : identity_(identity), control_(control), data_(data), progress_(progress) {}

WorkerProcess::~WorkerProcess() = default;

Status WorkerProcess::Run() {
  Status status = AwaitPlan();
  if (status.has_value() && !shutdown_) status = Serve();
  if (!status.has_value()) {
    proto::ToCoordinator message;
    message.mutable_fatal()->set_message(status.error().message);
    control_->Send(std::move(message));
  }
  return status;
}

Status WorkerProcess::AwaitPlan() {
  const TimePoint deadline = MonotonicNow() + kPlanDeadline;
  while (MonotonicNow() < deadline) {
    std::vector<proto::ToWorker> messages;
    control_->Wait(std::chrono::milliseconds(200));
    control_->Poll(&messages);
    for (const proto::ToWorker& message : messages) {
      if (message.has_plan()) return Load(message.plan());
      if (message.has_shutdown()) {
        shutdown_ = true;
        return OkStatus();
      }
    }
    if (!control_->connected())
      return Unavailable("the coordinator closed the control connection before the plan");
  }
  return DeadlineExceeded("no plan from the coordinator within {} s", kPlanDeadline.count());
}

Status WorkerProcess::Load(const proto::Plan& plan) {
  ASSIGN_OR_RETURN(const auto source,
                   ModelSource::Open(plan.model_path(), {plan.adapter_path(), plan.adapter_type()},
                                     {plan.rope_scaling(), plan.context_length()}));
  const ModelConfig& model = source->config();
  RETURN_IF_ERROR(CheckPlan(plan, identity_, model));
  ASSIGN_OR_RETURN(const int pages, PlanPages(plan, *backend_, model));
  limits_ = LimitsOf(model, backend_->info());
  std::vector<LayerSpan> split;
  for (const auto& stage : plan.stages()) split.push_back({stage.begin(), stage.end()});
  const LayerSpan own = split[static_cast<size_t>(identity_.rank)];

  StageBuild build;
  build.source = source;
  build.layers = own;
  build.exit_layers.assign(plan.exit_layers().begin(), plan.exit_layers().end());
  build.exits_directory = plan.exits_path();
  build.kv_pages = pages;
  build.threads = plan.threads();
  if (plan.pin_threads()) {
    build.cpus = cpu::CpusToPin(identity_.local_rank, identity_.local_ranks, plan.threads());
    if (build.cpus.empty()) {
      spdlog::warn("threads are not pinned: {} stage(s) of {} thread(s) here, and fewer CPUs to run on",
                   identity_.local_ranks, plan.threads());
    }
  }
  build.progress = [this] {
    progress_->steps.fetch_add(1, std::memory_order_relaxed);
    data_->Progress();
  };
  build.load_progress = [this, own](float fraction) {
    progress_->steps.fetch_add(1, std::memory_order_relaxed);
    proto::ToCoordinator message;
    message.mutable_load_progress()->set_fraction(fraction);
    message.mutable_load_progress()->set_what(fmt::format("layers [{}, {})", own.begin, own.end));
    control_->Send(std::move(message));
  };
  ASSIGN_OR_RETURN(StageExecutor stage, backend_->Build(build));

  StageConfig config = MakeStageConfig(backend_->info(), build, split, identity_.rank, identity_.epoch);
  config.prefill_chunk_tokens = plan.prefill_chunk_tokens();
  config.max_batch_rows = plan.max_batch_rows();
  policy_ = std::make_unique<CalmExitPolicy>();
  runner_ = std::make_unique<StageRunner>(config, policy_.get(), std::move(stage.executor), data_);

  proto::ToCoordinator message;
  auto* ready = message.mutable_ready();
  ready->set_kv_pages(static_cast<uint64_t>(pages));
  ready->set_page_tokens(static_cast<uint32_t>(backend_->info().page_tokens));
  ready->set_weight_bytes(stage.weight_bytes);
  ready->set_head_bytes(stage.head_bytes);
  ready->set_isa(backend_->info().device);
  ready->set_invariance(backend_->info().bit_exact ? "bit-exact" : "approximate");
  control_->Send(std::move(message));
  spdlog::info("ready layers={}-{} kv_pages={} weight_bytes={} head_bytes={} isa={} threads={}", own.begin,
               own.end, pages, stage.weight_bytes, stage.head_bytes, backend_->info().device, plan.threads());
  return OkStatus();
}

void WorkerProcess::TakeAdmissions(const proto::Admit& admit, std::vector<StageEvent>* events) {
  AdmitSequences event;
  for (const auto& open : admit.open()) {
    auto spec = FromProto(open, limits_);
    if (spec.has_value()) {
      event.specs.push_back(std::move(spec).value());
    } else {
      Refuse(open.sequence(), spec.error());
    }
  }
  doorbell_ += event.specs.size();
  events->push_back(std::move(event));
}

// Only this request is wrong, not the stage. The other requests go on.
void WorkerProcess::Refuse(uint64_t sequence, const Error& why) {
  spdlog::warn("refused sequence={} reason=\"{}\"", sequence, why.message);
  proto::ToCoordinator message;
  message.mutable_refused()->set_sequence(sequence);
  message.mutable_refused()->set_reason(why.message);
  control_->Send(std::move(message));
}

void WorkerProcess::TakeMessages(std::vector<StageEvent>* events) {
  std::vector<proto::ToWorker> messages;
  control_->Poll(&messages);
  for (const proto::ToWorker& message : messages) {
    switch (message.body_case()) {
      case proto::ToWorker::kAdmit:
        TakeAdmissions(message.admit(), events);
        break;
      case proto::ToWorker::kCancel: {
        CancelSequences cancel;
        cancel.sequences.assign(message.cancel().sequence().begin(), message.cancel().sequence().end());
        events->push_back(std::move(cancel));
        break;
      }
      case proto::ToWorker::kEvict: {
        EvictPrefixes evict;
        evict.sequences.assign(message.evict().sequence().begin(), message.evict().sequence().end());
        events->push_back(std::move(evict));
        break;
      }
      case proto::ToWorker::kDoorbell:
        doorbell_ = message.doorbell().opened();
        break;
      case proto::ToWorker::kFlush: {
        FlushForwarding flush;
        flush.sequences.assign(message.flush().sequence().begin(), message.flush().sequence().end());
        events->push_back(std::move(flush));
        break;
      }
      case proto::ToWorker::kShutdown:
        spdlog::info("shutdown reason=\"{}\"", message.shutdown().reason());
        shutdown_ = true;
        break;
      default:
        break;  // Challenge and Plan have passed
    }
  }
}

void WorkerProcess::SendOutputs(const StageOutputs& out) {
  if (!out.tokens.empty()) {
    proto::ToCoordinator message;
    for (const TokenOut& t : out.tokens) {
      auto* event = message.mutable_tokens()->add_events();
      event->set_sequence(t.sequence);
      event->set_generation(t.generation);
      event->set_position(static_cast<uint32_t>(t.position));
      event->set_token(t.token);
      event->set_exit_layer(t.exit_layer);
      event->set_logprob(t.logprob);
      AddTop(t.top, event);
      if (!t.logits.empty()) event->set_logits_digest(LogitsDigest(t.logits));
    }
    control_->Send(std::move(message));
  }
  if (!out.scores.empty()) {
    proto::ToCoordinator message;
    for (const PromptScoreOut& s : out.scores) {
      auto* score = message.mutable_scores()->add_scores();
      score->set_sequence(s.sequence);
      score->set_generation(s.generation);
      score->set_position(static_cast<uint32_t>(s.position));
      score->set_token(s.token);
      score->set_logprob(s.logprob);
      AddTop(s.top, score);
    }
    control_->Send(std::move(message));
  }
  for (const SequenceFinishedOut& f : out.finished) {
    proto::ToCoordinator message;
    auto* finished = message.mutable_finished();
    finished->set_sequence(f.sequence);
    finished->set_generation(f.generation);
    finished->set_tokens(static_cast<uint32_t>(f.tokens));
    finished->set_reason(transport::ToProto(f.reason));
    finished->set_retained(f.retained);
    control_->Send(std::move(message));
  }
  for (const SequenceFailedOut& f : out.failed_sequences) {
    spdlog::warn("failed sequence={} reason=\"{}\"", f.sequence, f.reason);
    proto::ToCoordinator message;
    message.mutable_failed()->set_sequence(f.sequence);
    message.mutable_failed()->set_reason(f.reason);
    control_->Send(std::move(message));
  }
  if (!out.closed.empty()) {
    proto::ToCoordinator message;
    message.mutable_closed()->mutable_sequence()->Add(out.closed.begin(), out.closed.end());
    control_->Send(std::move(message));
  }
}

void WorkerProcess::SendReport() {
  const Stage& stage = runner_->stage();
  const StageCounters& c = stage.counters();
  proto::ToCoordinator message;
  auto* report = message.mutable_report();
  report->set_steps(c.steps);
  report->set_live_rows(c.live_rows);
  report->set_prompt_rows(c.prompt_rows);
  report->set_fill_rows(c.fill_rows);
  report->set_fills_sent(c.fills_sent);
  report->set_fills_dropped(c.fills_dropped);
  report->set_frames_sent(c.frames_sent);
  report->set_returns_sent(c.returns_sent);
  report->set_frames_received(c.frames_received);
  report->set_bytes_sent(runner_->bytes_sent());
  report->set_bytes_received(runner_->bytes_received());
  report->set_busy_seconds(busy_seconds_);
  report->set_idle_seconds(idle_seconds_);
  report->set_bubble_seconds(bubble_seconds_);
  report->set_blocked_seconds(blocked_seconds_);
  report->set_kv_pages_used(static_cast<uint32_t>(stage.pages_used()));
  report->set_open_sequences(static_cast<uint32_t>(stage.open_sequences()));
  report->set_backlog_rows(static_cast<uint32_t>(stage.backlog_rows()));
  report->set_frames_in_flight(static_cast<uint32_t>(stage.frames_in_flight()));
  report->set_micro_batches(static_cast<uint32_t>(stage.micro_batches()));
  report->set_micro_batches_max(static_cast<uint32_t>(c.micro_batches_max));
  report->set_stale_frames(c.stale_frames);
  report->set_largest_batch_rows(c.largest_batch_rows);
  report->set_mixed_batches(c.mixed_batches);
  report->mutable_step_rows()->Add(c.step_rows.begin(), c.step_rows.end());
  for (const auto& [layer, count] : c.exits) {
    auto* exit = report->add_exits();
    exit->set_layer(layer);
    exit->set_count(count);
  }
  for (const SequenceProgress& p : stage.Progress()) {
    auto* sequence = report->add_sequences();
    sequence->set_sequence(p.sequence);
    sequence->set_watermark(static_cast<uint32_t>(p.watermark));
    sequence->set_backlog(static_cast<uint32_t>(p.backlog));
  }
  control_->Send(std::move(message));
}

// Returns whether nothing is in flight here and every announced admission has arrived.
bool WorkerProcess::MayBlock() const { return runner_->Idle() && runner_->stage().opened() >= doorbell_; }

// MPI receives spin. A stage with work therefore yields. A stage that waits for its neighbours sleeps
// briefly. A stage without open sequences blocks on its control socket.
void WorkerProcess::WaitForWork(bool worked) {
  progress_->busy.store(!MayBlock(), std::memory_order_relaxed);
  if (worked) {
    quiet_turns_ = 0;
    progress_->steps.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const TimePoint begin = MonotonicNow();
  if (MayBlock()) {
    quiet_turns_ = 0;
    control_->Wait(kIdleWait);
  } else if (++quiet_turns_ < kYieldTurns) {
    sched_yield();
  } else {
    std::this_thread::sleep_for(kBackOff);
  }
  const double waited = Seconds(MonotonicNow() - begin);
  const bool blocked = runner_->stage().Blocked();
  (blocked ? blocked_seconds_ : idle_seconds_) += waited;
  if (!blocked && runner_->stage().open_sequences() > 0) bubble_seconds_ += waited;
}

Status WorkerProcess::Serve() {
  while (!shutdown_) {
    if (!control_->connected()) return Unavailable("the control connection to the coordinator is lost");
    std::vector<StageEvent> events;
    TakeMessages(&events);
    StageOutputs out;
    const TimePoint begin = MonotonicNow();
    const bool worked = runner_->Turn(std::move(events), &out);
    const TimePoint end = MonotonicNow();
    if (worked) busy_seconds_ += Seconds(end - begin);
    SendOutputs(out);
    if (out.failed) return *out.failed;
    report_due_ |= worked;
    // The last report of a busy time is sent before blocking, so that the coordinator's view does not become
    // stale.
    const bool news = report_due_ && (end - last_report_ >= kReportEvery || (!worked && MayBlock()));
    if (news || end - last_report_ >= kIdleReportEvery) {
      SendReport();
      last_report_ = end;
      report_due_ = false;
    }
    WaitForWork(worked);
  }
  return OkStatus();
}

}  // namespace exeunt::worker
