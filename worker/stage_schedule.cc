// What a stage does next: which rows run together, and which rows go to the next stage.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "worker/stage.h"

namespace exeunt {

Stage::Stage(const StageConfig& config, const ExitPolicy* policy)
    : config_(config), policy_(policy), pages_(config.kv_pages) {
  const LayerSpan layers = config.layers();
  CHECK_LT(layers.begin, layers.end);
  int begin = layers.begin;
  for (int exit : config.exit_layers) {
    if (exit <= begin || exit > layers.end || exit >= config.limits.n_layers) continue;
    segments_.push_back({begin, exit, true, {}});
    begin = exit;
  }
  if (begin < layers.end) segments_.push_back({begin, layers.end, false, {}});
  stages_used_ = config.ranks();
}

std::vector<StageAction> Stage::Step(TimePoint now, std::vector<StageEvent> events) {
  now_ = now;
  for (StageEvent& event : events) std::visit([this](auto& e) { On(e); }, event);
  Schedule();
  SendReturns();
  Forward();
  return std::exchange(actions_, {});
}

bool Stage::AcceptsFrames() const {
  size_t rows = outbox_.size();
  for (const Segment& segment : segments_) rows += segment.queue.size();
  return rows < 2 * static_cast<size_t>(config_.max_batch_rows);
}

bool Stage::Idle() const {
  return sequences_.empty() && outbox_.empty() && returns_.empty() && !in_flight_ && frames_in_flight_ == 0;
}

int Stage::backlog_rows() const {
  const auto fills = [](const std::deque<Row>& rows) {
    return std::count_if(rows.begin(), rows.end(), [](const Row& r) { return r.row.kind == RowKind::kFill; });
  };
  auto count = fills(outbox_);
  for (const Segment& segment : segments_) count += fills(segment.queue);
  if (in_flight_) count += fills({in_flight_->rows.begin(), in_flight_->rows.end()});
  return static_cast<int>(count);
}

std::vector<SequenceProgress> Stage::Progress() const {
  std::map<uint64_t, int> backlog;
  const auto count = [&](const std::deque<Row>& rows) {
    for (const Row& r : rows) backlog[r.row.sequence] += r.row.kind == RowKind::kFill ? 1 : 0;
  };
  count(outbox_);
  for (const Segment& segment : segments_) count(segment.queue);
  if (in_flight_) count({in_flight_->rows.begin(), in_flight_->rows.end()});
  std::vector<SequenceProgress> progress;
  for (const auto& [id, s] : sequences_) {
    progress.push_back({id, *std::min_element(s->watermark.begin(), s->watermark.end()), backlog[id]});
  }
  return progress;
}

std::optional<TimePoint> Stage::NextWake() const {
  std::optional<TimePoint> oldest;
  const auto look = [&](const std::deque<Row>& rows) {
    for (const Row& r : rows) {
      if (r.row.kind == RowKind::kFill && (!oldest || r.since < *oldest)) oldest = r.since;
    }
  };
  look(outbox_);
  for (const Segment& segment : segments_) look(segment.queue);
  if (oldest) return *oldest + config_.fill_delay;
  return std::nullopt;
}

// Fills wait for company: until enough of them are there, or this stage has nothing better to do for a while.
bool Stage::FillsDue(const std::deque<Row>& rows, size_t count, bool idle) const {
  if (count == 0) return false;
  if (config_.eager_forwarding || flush_all_ || count >= static_cast<size_t>(config_.fill_batch_rows))
    return true;
  const auto oldest = std::min_element(rows.begin(), rows.end(),
                                       [](const Row& a, const Row& b) { return a.since < b.since; });
  return oldest->since == TimePoint{} || (idle && now_ - oldest->since >= config_.fill_delay);
}

// Whether a row waits to be run in this segment or a deeper one.
bool Stage::RowsRunnable(size_t first_segment) const {
  return std::any_of(segments_.begin() + static_cast<std::ptrdiff_t>(first_segment), segments_.end(),
                     [](const Segment& s) {
                       return std::any_of(s.queue.begin(), s.queue.end(),
                                          [](const Row& r) { return r.row.kind != RowKind::kFill; });
                     });
}

// The head's matrix costs as much to read as several layers: while more rows make a row cheaper, those that
// leave wait for those of their step that are still deeper in this stage, but never for rows that come after
// them.
bool Stage::HeadDue() const {
  if (head_queue_.empty()) return false;
  if (static_cast<int>(head_queue_.size()) >= head_cost_.curve().EfficientRows(config_.head_batch_rows))
    return true;
  size_t first = segments_.size();
  for (const Leaving& leaving : head_queue_) {
    if (leaving.decide) return true;  // its row may have to go on
    first = std::min(first, leaving.segment);
  }
  return !RowsRunnable(first + 1);
}

// The deepest segment with a row that runs; else one whose fills are due.
std::optional<size_t> Stage::PickSegment() const {
  for (size_t i = segments_.size(); i-- > 0;) {
    const auto& queue = segments_[i].queue;
    if (std::any_of(queue.begin(), queue.end(), [this](const Row& r) {
          return r.row.kind != RowKind::kFill || config_.eager_forwarding;
        })) {
      return i;
    }
  }
  for (size_t i = segments_.size(); i-- > 0;) {
    if (FillsDue(segments_[i].queue, segments_[i].queue.size(), true)) return i;
  }
  return std::nullopt;
}

void Stage::Schedule() {
  if (in_flight_) return;
  if (HeadDue()) return SubmitHead();
  if (first() && segments_.front().queue.empty() && !RowsRunnable(1)) MakeRows();
  if (const auto segment = PickSegment()) SubmitBatch(*segment);
}

// Stage 0 makes the rows of the next step: a share of the decode rows, so that every stage in use has a batch
// of its own instead of all rows travelling as one convoy, and a chunk of prompts, no larger than makes a row
// cheap: what is behind it need not wait for more, and the next stage begins the sooner.
void Stage::MakeRows() {
  const auto waiting = std::count_if(outbox_.begin(), outbox_.end(), [](const Row& r) {
    return HasState(r.row.kind) && r.row.kind != RowKind::kFill;
  });
  blocked_ = waiting >= config_.max_batch_rows;
  if (blocked_) return;
  const int decoding = static_cast<int>(sequences_.size() - prefill_.size());
  const int share = static_cast<int>(std::ceil(decoding / stages_used_ - 1e-6));
  MakeDecodeRows(std::min(share, config_.max_batch_rows));
  const int chunk = layer_cost_.RowsToTry(config_.least_prefill_chunk_tokens, config_.prefill_chunk_tokens);
  MakePromptRows(std::min(chunk, config_.max_batch_rows));
}

void Stage::MakeRow(const Sequence& sequence, int position, RowKind kind) {
  const FrameRow row{.sequence = sequence.spec->sequence,
                     .generation = sequence.generation,
                     .position = position,
                     .token = sequence.tokens[static_cast<size_t>(position)],
                     .kind = kind,
                     .flags = sequence.spec->want_logits ? kWantLogits : uint8_t{0}};
  segments_.front().queue.push_back({row, TakeSlot(), now_, nullptr});
}

void Stage::MakeDecodeRows(int limit) {
  for (int made = 0; made < limit && !ready_.empty(); ++made) {
    const Sequence& s = *Find(ready_.front());
    ready_.pop_front();
    MakeRow(s, static_cast<int>(s.tokens.size()) - 1, RowKind::kLive);
  }
}

void Stage::MakePromptRows(int budget) {
  while (budget > 0 && !prefill_.empty()) {
    Sequence* s = Find(prefill_.front());
    const int last = s->spec->prompt_tokens() - 1;
    for (; budget > 0 && s->prompt_issued <= last; --budget, ++s->prompt_issued) {
      MakeRow(*s, s->prompt_issued, s->prompt_issued == last ? RowKind::kLive : RowKind::kPrompt);
    }
    if (s->prompt_issued <= last) return;
    prefill_.pop_front();
  }
}

void Stage::SubmitBatch(size_t index) {
  Segment& segment = segments_[index];
  InFlight job;
  job.id = next_job_++;
  job.begin = now_;
  job.segment = index;
  SegmentJob work;
  work.layer_begin = segment.begin;
  work.layer_end = segment.end;
  work.embed = first() && index == 0;
  std::set<uint64_t> members;
  bool signals = false;
  const size_t limit = static_cast<size_t>(config_.max_batch_rows);
  while (!segment.queue.empty() && job.rows.size() < limit) {
    Row row = segment.queue.front();
    segment.queue.pop_front();
    Sequence* s = Find(row.row.sequence);
    CHECK(s != nullptr);
    ++s->rows_in_jobs;
    members.insert(row.row.sequence);
    const LayerRow layer_row{row.slot, row.row.position, row.row.token, &s->pages};
    if (row.row.kind == RowKind::kFill) {
      ++counters_.fill_rows;
      work.fill.push_back(layer_row);
      job.rows.push_back(row);
      continue;
    }
    const bool live = row.row.kind == RowKind::kLive;
    ++(live ? counters_.live_rows : counters_.prompt_rows);
    const bool measured = live && segment.exit && MayExit(s->spec->exit, segment.end);
    // kForced stands for "nothing to measure".
    work.signals.push_back(measured ? s->spec->exit.measure : ExitMeasure::kForced);
    signals |= work.signals.back() != ExitMeasure::kForced && work.signals.back() != ExitMeasure::kSoftmax;
    work.run.push_back(layer_row);
    job.rows.push_back(row);
  }
  if (!signals) work.signals.clear();
  ++counters_.steps;
  counters_.largest_batch_rows = std::max<uint64_t>(counters_.largest_batch_rows, job.rows.size());
  counters_.mixed_batches += members.size() > 1 ? 1 : 0;
  actions_.push_back(SubmitJob{{job.id, std::move(work)}});
  in_flight_ = std::move(job);
}

void Stage::SubmitHead() {
  InFlight job;
  job.id = next_job_++;
  job.begin = now_;
  job.leaving = std::exchange(head_queue_, {});
  HeadJob work;
  for (const Leaving& leaving : job.leaving) {
    const Row& row = leaving.row;
    Sequence* s = Find(row.row.sequence);
    ++s->rows_in_jobs;
    work.rows.push_back({row.slot, segments_[leaving.segment].end,
                         static_cast<uint32_t>(row.row.position + 1), &s->spec->sampling,
                         (row.row.flags & kWantLogits) != 0});
  }
  actions_.push_back(SubmitJob{{job.id, std::move(work)}});
  in_flight_ = std::move(job);
}

void Stage::SendReturns() {
  if (returns_.empty()) return;
  actions_.push_back(
      SendFrame{Link::kFirst, {config_.epoch, next_frame_++, std::exchange(returns_, {}), {}}, {}});
}

// Rows go to the next stage as soon as there is a credit; fills ride in front of their sequence's next row,
// or go when they are due.
void Stage::Forward() {
  const bool link_idle = frames_in_flight_ == 0 && !in_flight_;
  while (!outbox_.empty() && frames_in_flight_ < config_.send_credits) {
    std::set<uint64_t> urgent;
    size_t fills = 0;
    for (const Row& row : outbox_) {
      if (row.row.kind != RowKind::kFill) {
        urgent.insert(row.row.sequence);
      } else {
        ++fills;
      }
    }
    const bool all = FillsDue(outbox_, fills, link_idle && urgent.empty());
    if (urgent.empty() && !all) break;
    std::vector<Row> rows;
    std::deque<Row> rest;
    for (Row& row : outbox_) {
      const bool goes = rows.size() < static_cast<size_t>(config_.max_batch_rows) &&
                        (all || urgent.contains(row.row.sequence));
      (goes ? static_cast<void>(rows.push_back(row)) : rest.push_back(row));
    }
    outbox_ = std::move(rest);
    Send(std::move(rows));
  }
  if (backlog_rows() == 0) flush_all_ = false;
}

void Stage::Send(std::vector<Row> rows) {
  SendFrame send{Link::kNext, {config_.epoch, next_frame_++, {}, {}}, {}};
  for (Row& row : rows) {
    send.frame.rows.push_back(row.row);
    if (row.row.kind == RowKind::kOpen) {
      send.frame.opens.push_back(*row.open);
    }
    if (row.slot >= 0) {
      send.slots.push_back(row.slot);
      FreeSlot(&row);
    }
    if (first() && row.row.kind == RowKind::kLive) {
      ++micro_batches_[send.frame.number];
      Find(row.row.sequence)->micro_batch = send.frame.number;
    }
  }
  ++frames_in_flight_;
  ++counters_.frames_sent;
  counters_.frames_in_flight_max =
      std::max(counters_.frames_in_flight_max, static_cast<int>(micro_batches_.size()));
  actions_.push_back(std::move(send));
}

}  // namespace exeunt
