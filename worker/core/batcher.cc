#include "worker/core/batcher.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"
#include "model/exit_policy.h"

namespace exeunt::worker {
namespace {

bool HoldsRunnable(const Segment& segment) {
  return std::any_of(segment.queue.begin(), segment.queue.end(),
                     [&](const QueuedRow& r) { return r.row.plan.RunsIn(segment.layers); });
}

}  // namespace

Batcher::Batcher(const StageConfig& config)
    : max_batch_rows_(static_cast<size_t>(config.max_batch_rows)),
      passes_(config.passes),
      n_layers_(config.limits.n_layers) {
  const LayerSpan layers = config.layers();
  CHECK_LT(layers.begin, layers.end);
  int begin = layers.begin;
  for (int exit : config.exit_layers) {
    if (exit <= begin || exit > layers.end || exit >= n_layers_) continue;
    segments_.push_back({{begin, exit}, true, {}});
    begin = exit;
  }
  if (begin < layers.end) segments_.push_back({{begin, layers.end}, false, {}});
}

size_t Batcher::rows() const {
  size_t rows = 0;
  for (const Segment& segment : segments_) rows += segment.queue.size();
  return rows;
}

WaitingFills Batcher::fills() const {
  WaitingFills fills;
  VisitFills([&](const QueuedRow& row) { fills.Add(row.since); });
  return fills;
}

Status Batcher::Check(const RowPlan& plan) const {
  if (plan.head == HeadUse::kCompare) return Unimplemented("rows that compare a draft are not built yet");
  if (plan.fill_to != n_layers_) {
    return Unimplemented("rows that end after layer {} of {} are not built yet", plan.fill_to, n_layers_);
  }
  for (const Segment& segment : segments_) {
    const LayerSpan layers = segment.layers;
    if (plan.run_to > layers.begin && plan.run_to < layers.end) {
      return DataLoss("row plan run_to {} is inside layers {} to {}, which run together", plan.run_to,
                      layers.begin, layers.end);
    }
  }
  return OkStatus();
}

bool Batcher::HasRunnable(size_t first_segment) const {
  return std::any_of(segments_.begin() + static_cast<std::ptrdiff_t>(first_segment), segments_.end(),
                     HoldsRunnable);
}

// Rows of answers run in the segment where most of them wait. A step then reads its matrices for more rows,
// and rows that continue join those that were passed over. With equal numbers the deepest segment runs,
// because tokens come out there. It is passed over only a few times in turn. Without rows of answers, prompts
// run, the deepest first. Without these, the deepest segment runs whose fills are due.
std::optional<size_t> Batcher::Pick(const FillPolicy& fills, TimePoint now) {
  std::optional<size_t> deepest;
  std::optional<size_t> fullest;
  std::ptrdiff_t most = 0;
  for (size_t i = segments_.size(); i-- > 0;) {
    const Segment& segment = segments_[i];
    if (segment.queue.empty() || !(fills.eager || HoldsRunnable(segment))) continue;
    const auto answers = std::count_if(segment.queue.begin(), segment.queue.end(),
                                       [](const QueuedRow& r) { return r.row.plan.Answers(); });
    if (!deepest) deepest = i;
    if (!fullest || answers > most) fullest = i, most = answers;
  }
  if (deepest) {
    passed_over_ = fullest == deepest || passed_over_ == passes_ ? 0 : passed_over_ + 1;
    return passed_over_ > 0 ? fullest : deepest;
  }
  for (size_t i = segments_.size(); i-- > 0;) {
    WaitingFills waiting;
    for (const QueuedRow& row : segments_[i].queue) waiting.Add(row.since);
    if (fills.Due(waiting, true, now)) return i;
  }
  return std::nullopt;
}

void Batcher::Take(size_t index, SequenceTable* sequences, Batch* batch, SegmentJob* job) {
  Segment& segment = segments_[index];
  batch->segment = index;
  batch->rows.clear();
  job->run.clear();
  job->fill.clear();
  job->signals.clear();
  job->layer_begin = segment.layers.begin;
  job->layer_end = segment.layers.end;
  job->embed = segment.layers.begin == 0;
  bool signals = false;
  while (!segment.queue.empty() && batch->rows.size() < max_batch_rows_) {
    batch->rows.push_back(segment.queue.Take());
    const StateRow& row = batch->rows.back().row;
    Sequence* s = sequences->Find(row.sequence);
    CHECK(s != nullptr);
    ++s->rows_in_jobs;
    batch->rows.back().skipped = s->failed;
    if (s->failed) continue;
    const LayerRow layer_row{batch->rows.back().slot, row.position, row.token, &s->pages, row.sequence,
                             &s->spec->prompt};
    if (row.plan.FillsIn(segment.layers)) {
      job->fill.push_back(layer_row);
      continue;
    }
    const bool measured = row.plan.MayExit() && segment.exit && MayExit(s->spec->exit, segment.layers.end);
    // kForced means that nothing is measured.
    job->signals.push_back(measured ? s->spec->exit.measure : ExitMeasure::kForced);
    signals |= Info(job->signals.back()).signal == SignalSource::kSegment;
    job->run.push_back(layer_row);
  }
  if (!signals) job->signals.clear();
}

}  // namespace exeunt::worker
