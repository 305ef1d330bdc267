#include "worker/core/stage.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/spare.h"

namespace exeunt::worker {

Stage::Stage(const StageConfig& config, const ExitPolicy* policy)
    : config_(config),
      policy_(policy),
      batcher_(config),
      sequences_({config.kv_pages, batcher_.segments(), config.first()}),
      slots_(&actions_),
      head_queue_(config.head_batch_rows),
      forwarder_(&config_, &sequences_, &slots_, &counters_),
      row_maker_(&config_, &sequences_, &slots_, &batcher_),
      fills_{static_cast<size_t>(config.fill_batch_rows), config.fill_delay, config.eager_forwarding, false} {
  CHECK_GE(config.depth, 1);
  const auto rows = static_cast<size_t>(config.max_batch_rows);
  for (int i = 0; i < config.depth; ++i) {
    SegmentJob& segment = spare_segment_jobs_.emplace_back();
    segment.run.reserve(rows);
    segment.fill.reserve(rows);
    segment.signals.reserve(rows);
    spare_in_flight_.emplace_back().batch.rows.reserve(rows);
  }
}

void Stage::Step(TimePoint now, std::span<StageEvent> events, std::vector<StageAction>* actions) {
  now_ = now;
  Reclaim(actions);
  actions_.swap(*actions);
  for (StageEvent& event : events) std::visit([this](auto& e) { On(e); }, event);
  while (in_flight_.size() < static_cast<size_t>(config_.depth) && Schedule()) {
  }
  forwarder_.Send(fills_, now_, in_flight_.empty(), &actions_);
  if (fills_.flush && backlog_rows() == 0) fills_.flush = false;
  actions_.swap(*actions);
}

void Stage::Reclaim(std::vector<StageAction>* actions) {
  for (StageAction& action : *actions) {
    if (auto* send = std::get_if<SendFrame>(&action)) {
      forwarder_.Reclaim(send);
    } else if (auto* load = std::get_if<LoadStates>(&action)) {
      load->slots.clear();
      spare_loads_.push_back(std::move(load->slots));
    }
  }
  actions->clear();
}

void Stage::On(FlushForwarding& event) {
  fills_.flush |= event.sequences.empty();
  for (uint64_t id : event.sequences) forwarder_.Flush(id);
}

void Stage::On(FrameTaken&) { forwarder_.CreditBack(); }

void Stage::On(FrameArrived& event) {
  if (event.frame.epoch != config_.epoch) {
    ++counters_.stale_frames;
    return;
  }
  ++counters_.frames_received;
  LoadStates load{event.payload, TakeSpare(&spare_loads_)};
  size_t opens = 0;
  for (const Row& row : event.frame.rows) {
    if (const auto* state = std::get_if<StateRow>(&row)) {
      OnStateRow(*state, &load.slots);
    } else if (!OnControlRow(std::get<ControlRow>(row), &event.frame, &opens)) {
      return;
    }
  }
  if (load.slots.empty()) {
    spare_loads_.push_back(std::move(load.slots));
  } else {
    actions_.push_back(std::move(load));
  }
}

// Returns false if no later row of the frame is to be carried out.
bool Stage::OnControlRow(const ControlRow& row, Frame* frame, size_t* opens) {
  switch (row.kind) {
    case ControlKind::kOpen:
      return Open(std::move(frame->opens[(*opens)++]));
    case ControlKind::kToken:
      OnToken(row);
      break;
    case ControlKind::kRollback:
      OnRollback(row);
      break;
    case ControlKind::kEvict:
      Evict(row.sequence);
      break;
    case ControlKind::kClose:
    case ControlKind::kCancel:
      OnClose(row);
  }
  return true;
}

void Stage::OnStateRow(const StateRow& row, std::vector<int32_t>* load) {
  int32_t& slot = load->emplace_back(-1);
  Result<Sequence*> sequence = sequences_.Arrive(row);
  if (!sequence) return Fail(std::move(sequence).error());
  if (*sequence == nullptr) {
    ++counters_.stale_frames;
    return;
  }
  if (Status built = batcher_.Check(row.plan); !built) return Fail(std::move(built).error());
  slot = slots_.Take();
  batcher_.Push(0, {row, slot, now_});
}

void Stage::On(JobDone& event) {
  CHECK(!in_flight_.empty());
  InFlight job = in_flight_.Take();
  CHECK_EQ(job.id, event.job.id);
  if (!event.status.has_value()) {
    if (event.status.error().code == ErrorCode::kUnavailable) return Fail(event.status.error());
    OnFailedJob(job, event.status.error());
  }
  const double seconds = Seconds(event.took);
  if (auto* head = std::get_if<HeadJob>(&event.job.work)) {
    head_queue_.Observe(static_cast<int>(job.heads.size()), seconds);
    head->results.resize(job.heads.size());
    HeadDone(job.heads, &head->results);
    job.heads.clear();
    spare_head_jobs_.push_back(std::move(*head));
  } else {
    auto& work = std::get<SegmentJob>(event.job.work);
    if (config_.first() && work.fill.empty() && !work.run.empty()) {
      row_maker_.LearnLayer(static_cast<int>(work.run.size()), seconds / (work.layer_end - work.layer_begin));
    }
    SegmentDone(job.batch, work.result);
    job.batch.rows.clear();
    spare_segment_jobs_.push_back(std::move(work));
  }
  spare_in_flight_.push_back(std::move(job));
}

// The requests of the job's rows end with an error. The rows go on without results.
void Stage::OnFailedJob(const InFlight& job, const Error& error) {
  const auto fail = [&](const QueuedRow& row) {
    FailSequence(sequences_.Find(row.row.sequence), error.message);
  };
  for (const QueuedRow& row : job.batch.rows) fail(row);
  for (const HeadEntry& entry : job.heads) fail(entry.row);
}

bool Stage::Schedule() {
  if (head_queue_.Due(batcher_)) {
    SubmitHead();
    return true;
  }
  const bool wants_rows = config_.first() && batcher_.segment(0).queue.empty() && !batcher_.HasRunnable(1);
  if (wants_rows && forwarder_.runnable_rows() < config_.max_batch_rows) row_maker_.Make(now_);
  const auto segment = batcher_.Pick(fills_, now_);
  if (segment) SubmitBatch(*segment);
  return segment.has_value();
}

void Stage::SubmitBatch(size_t segment) {
  SegmentJob work = TakeSpare(&spare_segment_jobs_);
  work.result.signals.clear();
  work.result.previews.clear();
  InFlight* const job = NewJob();
  const std::vector<QueuedRow>& rows = job->batch.rows;
  batcher_.Take(segment, &sequences_, &job->batch, &work);
  const uint64_t first = rows.front().row.sequence;
  uint64_t answers = 0;
  bool mixed = false;
  for (const QueuedRow& row : rows) {
    answers += row.row.plan.Answers() ? 1 : 0;
    mixed |= row.row.sequence != first;
  }
  ++counters_.steps;
  counters_.fill_rows += work.fill.size();
  counters_.live_rows += answers;
  counters_.prompt_rows += work.run.size() - answers;
  counters_.largest_batch_rows = std::max<uint64_t>(counters_.largest_batch_rows, rows.size());
  counters_.mixed_batches += mixed ? 1 : 0;
  ++counters_.step_rows[transport::StepRowsBucket(rows.size())];
  Submit(*job, std::move(work));
}

void Stage::SubmitHead() {
  HeadJob work = TakeSpare(&spare_head_jobs_);
  InFlight* const job = NewJob();
  head_queue_.Take(&sequences_, &job->heads, &work);
  Submit(*job, std::move(work));
}

Stage::InFlight* Stage::NewJob() {
  in_flight_.push_back(TakeSpare(&spare_in_flight_));
  InFlight* const job = &*(in_flight_.end() - 1);
  job->id = next_job_++;
  return job;
}

template <typename Work>
void Stage::Submit(const InFlight& job, Work work) {
  actions_.push_back(SubmitJob{{job.id, std::move(work)}});
}

bool Stage::AcceptsFrames() const {
  return forwarder_.rows() + batcher_.rows() < 2 * static_cast<size_t>(config_.max_batch_rows);
}

std::optional<TimePoint> Stage::NextWake() const {
  const WaitingFills here = batcher_.fills();
  const WaitingFills sent = forwarder_.fills();
  if (here.rows + sent.rows == 0) return std::nullopt;
  return std::min(here.oldest, sent.oldest) + config_.fill_delay;
}

template <typename Visit>
void Stage::VisitFills(Visit visit) const {
  batcher_.VisitFills(visit);
  forwarder_.VisitFills(visit);
  for (const InFlight& job : in_flight_) {
    const LayerSpan layers = batcher_.segment(job.batch.segment).layers;
    for (const QueuedRow& row : job.batch.rows) {
      if (row.row.plan.FillsIn(layers)) visit(row);
    }
  }
}

int Stage::backlog_rows() const {
  int rows = 0;
  VisitFills([&rows](const QueuedRow&) { ++rows; });
  return rows;
}

std::vector<SequenceProgress> Stage::Progress() const {
  std::map<uint64_t, int> backlog;
  VisitFills([&backlog](const QueuedRow& row) { ++backlog[row.row.sequence]; });
  std::vector<SequenceProgress> progress;
  for (const auto& [id, s] : sequences_.sequences()) {
    progress.push_back({id, s->LeastWatermark(), backlog[id]});
  }
  return progress;
}

}  // namespace exeunt::worker
