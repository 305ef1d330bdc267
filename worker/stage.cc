#include "worker/stage.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "base/spare.h"

namespace exeunt {

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
  const auto rows = static_cast<size_t>(config.max_batch_rows);
  spare_segment_job_.run.reserve(rows);
  spare_segment_job_.fill.reserve(rows);
  spare_segment_job_.signals.reserve(rows);
  in_flight_.batch.rows.reserve(rows);
}

void Stage::Step(TimePoint now, std::span<StageEvent> events, std::vector<StageAction>* actions) {
  now_ = now;
  Reclaim(actions);
  actions_.swap(*actions);
  for (StageEvent& event : events) std::visit([this](auto& e) { On(e); }, event);
  Schedule();
  forwarder_.Send(fills_, now_, !running(), &actions_);
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

// False: nothing behind the row is to be carried out.
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
  CHECK(running());
  CHECK_EQ(in_flight_.id, event.job.id);
  in_flight_.id = 0;
  const double seconds = Seconds(now_ - in_flight_.begin);
  if (auto* head = std::get_if<HeadJob>(&event.job.work)) {
    head_queue_.Observe(static_cast<int>(in_flight_.heads.size()), seconds);
    HeadDone(&head->results);
    in_flight_.heads.clear();
    spare_head_job_ = std::move(*head);
  } else {
    auto& work = std::get<SegmentJob>(event.job.work);
    if (config_.first() && work.fill.empty()) {
      row_maker_.LearnLayer(static_cast<int>(in_flight_.batch.rows.size()),
                            seconds / (work.layer_end - work.layer_begin));
    }
    SegmentDone(work.result);
    in_flight_.batch.rows.clear();
    spare_segment_job_ = std::move(work);
  }
}

void Stage::Schedule() {
  if (running()) return;
  if (head_queue_.Due(batcher_)) return SubmitHead();
  const bool wants_rows = config_.first() && batcher_.segment(0).queue.empty() && !batcher_.HasRunnable(1);
  if (wants_rows && forwarder_.runnable_rows() < config_.max_batch_rows) row_maker_.Make(now_);
  if (const auto segment = batcher_.Pick(fills_, now_)) SubmitBatch(*segment);
}

void Stage::SubmitBatch(size_t segment) {
  SegmentJob work = std::move(spare_segment_job_);
  const std::vector<QueuedRow>& rows = in_flight_.batch.rows;
  batcher_.Take(segment, &sequences_, &in_flight_.batch, &work);
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
  ++counters_.step_rows[StepRowsBucket(rows.size())];
  Submit(std::move(work));
}

void Stage::SubmitHead() {
  HeadJob work = std::move(spare_head_job_);
  head_queue_.Take(&sequences_, &in_flight_.heads, &work);
  Submit(std::move(work));
}

template <typename Work>
void Stage::Submit(Work work) {
  in_flight_.id = next_job_++;
  in_flight_.begin = now_;
  actions_.push_back(SubmitJob{{in_flight_.id, std::move(work)}});
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

int Stage::backlog_rows() const {
  const LayerSpan layers = batcher_.segment(in_flight_.batch.segment).layers;
  const auto& running = in_flight_.batch.rows;
  const auto fills = std::count_if(running.begin(), running.end(),
                                   [&](const QueuedRow& r) { return r.row.plan.FillsIn(layers); });
  return static_cast<int>(batcher_.fills().rows + forwarder_.fills().rows + static_cast<size_t>(fills));
}

std::vector<SequenceProgress> Stage::Progress() const {
  std::map<uint64_t, int> backlog;
  const auto count = [&](const QueuedRow& row) { ++backlog[row.row.sequence]; };
  batcher_.VisitFills(count);
  forwarder_.VisitFills(count);
  const LayerSpan layers = batcher_.segment(in_flight_.batch.segment).layers;
  for (const QueuedRow& row : in_flight_.batch.rows) {
    if (row.row.plan.FillsIn(layers)) count(row);
  }
  std::vector<SequenceProgress> progress;
  for (const auto& [id, s] : sequences_.sequences()) {
    progress.push_back({id, s->LeastWatermark(), backlog[id]});
  }
  return progress;
}

}  // namespace exeunt
