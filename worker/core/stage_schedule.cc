// What a stage does next: which rows run together, and which rows go to the next stage.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/spare.h"
#include "worker/core/stage.h"

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
  const auto rows = static_cast<size_t>(config.max_batch_rows);
  spare_segment_job_.run.reserve(rows);
  spare_segment_job_.fill.reserve(rows);
  spare_segment_job_.signals.reserve(rows);
  in_flight_.rows.reserve(rows);
}

void Stage::Step(TimePoint now, std::span<StageEvent> events, std::vector<StageAction>* actions) {
  now_ = now;
  Reclaim(actions);
  actions_.swap(*actions);
  for (StageEvent& event : events) std::visit([this](auto& e) { On(e); }, event);
  Schedule();
  SendReturns();
  Forward();
  actions_.swap(*actions);
}

void Stage::Reclaim(std::vector<StageAction>* actions) {
  const auto keep = [](auto* buffer, auto* spares) {
    buffer->clear();
    spares->push_back(std::move(*buffer));
  };
  for (StageAction& action : *actions) {
    if (auto* send = std::get_if<SendFrame>(&action)) {
      keep(&send->frame.rows, &spare_rows_);
      keep(&send->slots, &spare_slots_);
    } else if (auto* load = std::get_if<LoadStates>(&action)) {
      keep(&load->slots, &spare_slots_);
    }
  }
  actions->clear();
}

bool Stage::AcceptsFrames() const {
  size_t rows = outbox_.size();
  for (const Segment& segment : segments_) rows += segment.queue.size();
  return rows < 2 * static_cast<size_t>(config_.max_batch_rows);
}

bool Stage::Idle() const {
  return sequences_.empty() && outbox_.empty() && returns_.empty() && !running() && frames_in_flight_ == 0;
}

int Stage::backlog_rows() const {
  const auto fills = [](const auto& rows) {
    return std::count_if(rows.begin(), rows.end(), [](const Row& r) { return r.row.kind == RowKind::kFill; });
  };
  auto count = fills(outbox_);
  for (const Segment& segment : segments_) count += fills(segment.queue);
  return static_cast<int>(count + fills(in_flight_.rows));
}

std::vector<SequenceProgress> Stage::Progress() const {
  std::map<uint64_t, int> backlog;
  const auto count = [&](const auto& rows) {
    for (const Row& r : rows) backlog[r.row.sequence] += r.row.kind == RowKind::kFill ? 1 : 0;
  };
  count(outbox_);
  for (const Segment& segment : segments_) count(segment.queue);
  count(in_flight_.rows);
  std::vector<SequenceProgress> progress;
  for (const auto& [id, s] : sequences_) {
    progress.push_back({id, *std::min_element(s->watermark.begin(), s->watermark.end()), backlog[id]});
  }
  return progress;
}

std::optional<TimePoint> Stage::NextWake() const {
  std::optional<TimePoint> oldest;
  const auto look = [&](const Fifo<Row>& rows) {
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
bool Stage::FillsDue(const Fifo<Row>& rows, size_t count, bool idle) const {
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

// Rows of answers run where most of them wait: what a step reads, it reads for more of them, and those that
// go on join those that were passed over. Of equals the deepest, where tokens come out; it is passed over a
// few times in turn at most. Else prompts, the deepest first; else the deepest segment whose fills are due.
std::optional<size_t> Stage::PickSegment() {
  std::optional<size_t> deepest;
  std::optional<size_t> fullest;
  std::ptrdiff_t most = 0;
  for (size_t i = segments_.size(); i-- > 0;) {
    const auto& queue = segments_[i].queue;
    const auto answers = std::count_if(queue.begin(), queue.end(), [](const Row& r) {
      return r.row.kind != RowKind::kFill && r.row.kind != RowKind::kPrompt;
    });
    const bool runs = std::any_of(queue.begin(), queue.end(), [this](const Row& r) {
      return r.row.kind != RowKind::kFill || config_.eager_forwarding;
    });
    if (!runs) continue;
    if (!deepest) deepest = i;
    if (!fullest || answers > most) fullest = i, most = answers;
  }
  if (deepest) {
    passed_over_ = fullest == deepest || passed_over_ == config_.passes ? 0 : passed_over_ + 1;
    return passed_over_ > 0 ? fullest : deepest;
  }
  for (size_t i = segments_.size(); i-- > 0;) {
    if (FillsDue(segments_[i].queue, segments_[i].queue.size(), true)) return i;
  }
  return std::nullopt;
}

void Stage::Schedule() {
  if (running()) return;
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
  if (waiting >= config_.max_batch_rows) return;
  const int decoding = static_cast<int>(sequences_.size() - prefill_.size());
  const int share = static_cast<int>(std::ceil(decoding / stages_used_ - 1e-6));
  if (!config_.prefill_first || prefill_.empty()) MakeDecodeRows(std::min(share, config_.max_batch_rows));
  const int chunk = layer_cost_.RowsToTry(config_.least_prefill_chunk_tokens, config_.prefill_chunk_tokens);
  MakePromptRows(std::min(chunk, config_.max_batch_rows));
}

void Stage::MakeRow(const Sequence& sequence, int position, RowKind kind) {
  const SequenceSpec& spec = *sequence.spec;
  uint8_t flags = spec.want_logits ? kWantLogits : 0;
  if (kind == RowKind::kPrompt && spec.score_from > 0 && position + 1 >= spec.score_from) flags |= kWantScore;
  const FrameRow row{.sequence = spec.sequence,
                     .generation = sequence.generation,
                     .position = position,
                     .token = sequence.tokens[static_cast<size_t>(position)],
                     .kind = kind,
                     .flags = flags};
  segments_.front().queue.push_back({row, TakeSlot(), now_, nullptr});
}

void Stage::MakeDecodeRows(int limit) {
  for (int made = 0; made < limit && !ready_.empty(); ++made) {
    const Sequence& s = *Find(ready_.Take());
    MakeRow(s, static_cast<int>(s.tokens.size()) - 1, RowKind::kLive);
  }
}

void Stage::MakePromptRows(int budget) {
  while (budget > 0 && !prefill_.empty()) {
    Sequence* s = Find(prefill_.front());
    const int last = s->spec->prompt_tokens() - 1;
    const int end = s->closing ? s->kept : last + 1;
    for (; budget > 0 && s->prompt_issued < end; --budget, ++s->prompt_issued) {
      MakeRow(*s, s->prompt_issued, s->prompt_issued == last ? RowKind::kLive : RowKind::kPrompt);
    }
    if (s->prompt_issued < end) return;
    prefill_.Take();
  }
}

void Stage::SubmitBatch(size_t index) {
  Segment& segment = segments_[index];
  SegmentJob work = std::move(spare_segment_job_);
  work.run.clear();
  work.fill.clear();
  work.signals.clear();
  work.layer_begin = segment.begin;
  work.layer_end = segment.end;
  work.embed = first() && index == 0;
  bool mixed = false;
  bool signals = false;
  std::vector<Row>& rows = in_flight_.rows;
  const size_t limit = static_cast<size_t>(config_.max_batch_rows);
  while (!segment.queue.empty() && rows.size() < limit) {
    rows.push_back(segment.queue.Take());
    const FrameRow& row = rows.back().row;
    Sequence* s = Find(row.sequence);
    CHECK(s != nullptr);
    ++s->rows_in_jobs;
    mixed |= row.sequence != rows.front().row.sequence;
    const LayerRow layer_row{rows.back().slot, row.position, row.token,
                             &s->pages,        row.sequence, &s->spec->prompt};
    if (row.kind == RowKind::kFill) {
      ++counters_.fill_rows;
      work.fill.push_back(layer_row);
      continue;
    }
    const bool live = row.kind == RowKind::kLive;
    ++(live ? counters_.live_rows : counters_.prompt_rows);
    const bool measured = live && segment.exit && MayExit(s->spec->exit, segment.end);
    // kForced stands for "nothing to measure".
    work.signals.push_back(measured ? s->spec->exit.measure : ExitMeasure::kForced);
    signals |= work.signals.back() != ExitMeasure::kForced && work.signals.back() != ExitMeasure::kSoftmax;
    work.run.push_back(layer_row);
  }
  if (!signals) work.signals.clear();
  ++counters_.steps;
  counters_.largest_batch_rows = std::max<uint64_t>(counters_.largest_batch_rows, rows.size());
  counters_.mixed_batches += mixed ? 1 : 0;
  ++counters_.step_rows[StepRowsBucket(rows.size())];
  in_flight_.segment = index;
  Submit(std::move(work));
}

void Stage::SubmitHead() {
  HeadJob work = std::move(spare_head_job_);
  work.rows.clear();
  std::swap(in_flight_.leaving, head_queue_);
  for (const Leaving& leaving : in_flight_.leaving) {
    const Row& row = leaving.row;
    Sequence* s = Find(row.row.sequence);
    ++s->rows_in_jobs;
    const auto next = static_cast<uint32_t>(row.row.position + 1);
    const bool scored = row.row.kind == RowKind::kPrompt;
    work.rows.push_back({row.slot, segments_[leaving.segment].end, next, &s->spec->sampling,
                         (row.row.flags & kWantLogits) != 0, scored ? s->spec->prompt[next] : -1,
                         History(*s, row.row)});
  }
  Submit(std::move(work));
}

template <typename Work>
void Stage::Submit(Work work) {
  in_flight_.id = next_job_++;
  in_flight_.begin = now_;
  actions_.push_back(SubmitJob{{in_flight_.id, std::move(work)}});
}

SendFrame Stage::NewFrame(Link link) {
  SendFrame send{link, {config_.epoch, next_frame_++, TakeSpare(&spare_rows_), {}}, TakeSpare(&spare_slots_)};
  send.frame.rows.reserve(static_cast<size_t>(config_.max_batch_rows));
  send.slots.reserve(static_cast<size_t>(config_.max_batch_rows));
  return send;
}

void Stage::SendReturns() {
  if (returns_.empty()) return;
  SendFrame send = NewFrame(Link::kFirst);
  std::swap(send.frame.rows, returns_);
  ++counters_.returns_sent;
  actions_.push_back(std::move(send));
}

// Sequences with a row in the outbox that is no fill; returns how many fills there are.
size_t Stage::CollectUrgent() {
  size_t fills = 0;
  urgent_.clear();
  for (const Row& row : outbox_) {
    if (row.row.kind == RowKind::kFill) {
      ++fills;
    } else {
      urgent_.push_back(row.row.sequence);
    }
  }
  std::sort(urgent_.begin(), urgent_.end());
  return fills;
}

// Rows go to the next stage as soon as there is a credit; fills ride in front of their sequence's next row,
// or go when they are due.
void Stage::Forward() {
  const bool link_idle = frames_in_flight_ == 0 && !running();
  while (!outbox_.empty() && frames_in_flight_ < config_.send_credits) {
    const size_t fills = CollectUrgent();
    const bool all = FillsDue(outbox_, fills, link_idle && urgent_.empty());
    if (urgent_.empty() && !all) break;
    SendFrame send = NewFrame(Link::kNext);
    size_t open_tokens = 0;
    bool full = false;
    outbox_.RemoveIf([&](Row& row) {
      if (full || (!all && !std::binary_search(urgent_.begin(), urgent_.end(), row.row.sequence)))
        return false;
      const size_t opens = row.row.kind == RowKind::kOpen ? row.open->prompt.size() : 0;
      full = send.frame.rows.size() >= static_cast<size_t>(config_.max_batch_rows) ||
             (open_tokens > 0 && open_tokens + opens > kMaxFrameOpenTokens);
      if (full) return false;
      open_tokens += opens;
      SendRow(&row, &send);
      return true;
    });
    ++frames_in_flight_;
    ++counters_.frames_sent;
    counters_.micro_batches_max = std::max(counters_.micro_batches_max, micro_batches());
    actions_.push_back(std::move(send));
  }
  blocked_ =
      frames_in_flight_ >= config_.send_credits &&
      std::any_of(outbox_.begin(), outbox_.end(), [](const Row& r) { return r.row.kind != RowKind::kFill; });
  if (backlog_rows() == 0) flush_all_ = false;
}

void Stage::SendRow(Row* row, SendFrame* send) {
  send->frame.rows.push_back(row->row);
  if (row->row.kind == RowKind::kFill) ++counters_.fills_sent;
  if (row->row.kind == RowKind::kOpen) send->frame.opens.push_back(*row->open);
  if (row->slot >= 0) {
    send->slots.push_back(row->slot);
    FreeSlot(row);
  }
  if (first() && row->row.kind == RowKind::kLive) {
    const uint64_t frame = send->frame.number;
    if (micro_batches_.empty() || micro_batches_.back().frame != frame) micro_batches_.push_back({frame, 0});
    ++micro_batches_.back().rows;
    Find(row->row.sequence)->micro_batch = frame;
  }
}

}  // namespace exeunt
