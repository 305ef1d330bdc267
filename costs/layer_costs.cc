#include "costs/layer_costs.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "costs/layer_split.h"
#include "model/exit_heads_info.h"

namespace exeunt {
namespace {

constexpr int kRounds = 15;               // rounds for a median
constexpr int kRows = 32;                 // most rows of a job; more rows cost in proportion
constexpr int kPosition = 64;             // positions to attend to, cheap beside a layer's matrices
constexpr double kLeastBytes = 64 << 20;  // bytes of layers, more than a cache has

// Runs the job and returns the seconds.
template <typename Work>
double Time(Executor* executor, const Work& work) {
  executor->Submit({1, work});
  std::vector<JobDone> done;
  const TimePoint begin = MonotonicNow();
  while (done.empty()) executor->Poll(&done);
  return Seconds(MonotonicNow() - begin);
}

double Median(std::vector<double> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

// The seconds of jobs of one size, over all layers.
struct JobTimes {
  std::vector<double> run, fill, head, exit;
};

CostCurve Curve(const std::map<int, JobTimes>& times, std::vector<double> JobTimes::*kind, int layers) {
  std::vector<std::pair<double, double>> points;
  for (const auto& [rows, of_rows] : times) points.emplace_back(rows, Median(of_rows.*kind) / layers);
  return CostCurve(std::move(points));
}

// Returns the deepest exit that has what the measure needs.
Result<int> LastExit(const ExitLook& look, int n_layers) {
  int last = 0;
  if (!look.exits_directory.empty()) {
    ASSIGN_OR_RETURN(const ExitHeadsInfo info, LoadExitHeadsInfo(look.exits_directory, n_layers));
    for (const ExitHeadInfo& exit : info.exits) {
      if (info.Has(Info(look.measure).needs, exit)) last = exit.layer;
    }
  }
  if (last > 0) return last;
  return InvalidArgument("exit measure '{}' needs exits that were fitted for it (--exits{}{})",
                         ExitMeasureName(look.measure), look.exits_directory.empty() ? "" : " ",
                         look.exits_directory);
}

// Rows of kRows sequences for a stage at kPosition. Their prompts have the same tokens, spread over the
// vocabulary, but each has its own head of prompt tokens.
struct SampleRows {
  SampleRows(const ModelConfig& model, int pages_of_row);

  std::vector<int32_t> prompt;
  std::vector<std::vector<int32_t>> pages;
  SamplingParams greedy{.temperature = 0.0F};
  std::vector<LayerRow> layer;
  std::vector<HeadRow> head;
};

SampleRows::SampleRows(const ModelConfig& model, int pages_of_row) : pages(kRows) {
  for (int p = 0; p < kPosition; ++p) prompt.push_back(p * (model.vocab_size / kPosition));
  for (int32_t r = 0; r < kRows; ++r) {
    auto& own = pages[static_cast<size_t>(r)];
    for (int32_t p = 0; p < pages_of_row; ++p) own.push_back(r * pages_of_row + p);
    layer.push_back({r, kPosition, 0, &own, static_cast<uint64_t>(r) + 1, &prompt});
    head.push_back({r, model.n_layers, kPosition + 1, &greedy, false});
  }
}

}  // namespace

Result<LayerCosts> MeasureLayerCosts(const Backend& backend, std::shared_ptr<const ModelSource> source,
                                     int threads, const ExitLook& look) {
  const ModelConfig& model = source->config();
  const double layer_bytes = EstimateLayerCosts(model).layer.At(1) / 2;  // about four bits a weight
  const int enough = std::min(model.n_layers, static_cast<int>(std::ceil(kLeastBytes / layer_bytes)));
  StageBuild build;
  build.layers = {model.n_layers - enough, model.n_layers};  // the last layers, with the head
  int exit = 0;                                              // exit to measure; 0: none
  if (Info(look.measure).gives_token) {
    ASSIGN_OR_RETURN(exit, LastExit(look, model.n_layers));
    build.layers.begin = std::min(build.layers.begin, exit - 1);
    build.exits_directory = look.exits_directory;
  }
  const int pages_of_row = kPosition / backend.info().page_tokens + 1;
  const SampleRows rows(model, pages_of_row);
  build.source = std::move(source);
  build.kv_pages = kRows * pages_of_row;
  build.threads = threads;
  ASSIGN_OR_RETURN(StageExecutor stage, backend.Build(build));
  RETURN_IF_ERROR(stage.executor->Reserve(kRows));

  // Runs all sizes in turn, many times, so that a slow moment of the machine affects all of them.
  std::map<int, JobTimes> times;
  for (int round = 0; round < kRounds; ++round) {
    for (int n = 1; n <= kRows; n *= 2) {
      const std::vector<LayerRow> some(rows.layer.begin(), rows.layer.begin() + n);
      const SegmentJob run_job{.layer_begin = build.layers.begin, .layer_end = build.layers.end, .run = some};
      const SegmentJob fill_job{
          .layer_begin = build.layers.begin, .layer_end = build.layers.end, .fill = some};
      const HeadJob head_job{{rows.head.begin(), rows.head.begin() + n}};
      times[n].run.push_back(Time(stage.executor.get(), run_job));
      times[n].fill.push_back(Time(stage.executor.get(), fill_job));
      times[n].head.push_back(Time(stage.executor.get(), head_job));
      if (exit == 0) continue;
      SegmentJob exit_job{.layer_begin = exit, .layer_end = exit, .run = some};  // no layer
      exit_job.signals.assign(some.size(), look.measure);
      times[n].exit.push_back(Time(stage.executor.get(), exit_job));
    }
  }
  const int layers = build.layers.end - build.layers.begin;
  LayerCosts costs{Curve(times, &JobTimes::run, layers),
                   Curve(times, &JobTimes::fill, layers),
                   Curve(times, &JobTimes::head, 1),
                   {}};
  if (exit > 0) costs.exit = Curve(times, &JobTimes::exit, 1);
  if (Info(look.measure).signal == SignalSource::kHead) costs.exit = costs.head;
  return costs;
}

}  // namespace exeunt
