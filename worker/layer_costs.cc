#include "worker/layer_costs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "worker/local_pipeline.h"

namespace exeunt {
namespace {

// Small jobs vary more, large ones take longer.
int Repeats(int rows) { return rows <= 16 ? 15 : 5; }
constexpr int kRows = 32;                 // of a job, at most: more cost in proportion
constexpr int kPosition = 64;             // what the rows attend to: little beside a layer's matrices
constexpr double kLeastBytes = 64 << 20;  // of layers: more than a cache that a whole model would not fit in

// Runs the job; seconds.
template <typename Work>
double Time(Executor* executor, const Work& work) {
  executor->Submit({1, work});
  std::vector<JobDone> done;
  const TimePoint begin = MonotonicNow();
  executor->Poll(&done);
  return Seconds(MonotonicNow() - begin);
}

double Median(std::vector<double> times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace

Result<LayerCosts> MeasureLayerCosts(std::shared_ptr<const ModelSource> source, int threads) {
  const ModelConfig& model = source->config();
  const double layer_bytes =
      EstimateLayerCosts(model).layer.At(1) / 2;  // about four bits a weight: fewest layers
  const int layers = std::min(model.n_layers, static_cast<int>(std::ceil(kLeastBytes / layer_bytes)));
  const int pages_of_row = kPosition / cpu::kPageTokens + 1;
  StageBuild build;
  build.source = std::move(source);
  build.layers = {model.n_layers - layers, model.n_layers};  // the last layers: with the head
  build.kv_pages = kRows * pages_of_row;
  build.threads = threads;
  ASSIGN_OR_RETURN(CpuStage stage, BuildCpuStage(build));
  stage.executor->EnsureSlots(kRows);

  std::vector<std::vector<int32_t>> pages(static_cast<size_t>(kRows));
  std::vector<LayerRow> rows;
  std::vector<HeadRow> head_rows;
  const SamplingParams greedy{.temperature = 0.0F};
  for (int32_t r = 0; r < kRows; ++r) {
    auto& own = pages[static_cast<size_t>(r)];
    for (int32_t p = 0; p < pages_of_row; ++p) own.push_back(r * pages_of_row + p);
    rows.push_back({r, kPosition, 0, &own});
    head_rows.push_back({r, model.n_layers, kPosition + 1, &greedy, false});
  }
  std::vector<std::pair<double, double>> layer, fill, head;
  for (int n = 1; n <= kRows; n *= 2) {
    const std::vector<LayerRow> some(rows.begin(), rows.begin() + n);
    const SegmentJob run_job{.layer_begin = build.layers.begin, .layer_end = build.layers.end, .run = some};
    const SegmentJob fill_job{.layer_begin = build.layers.begin, .layer_end = build.layers.end, .fill = some};
    const HeadJob head_job{{head_rows.begin(), head_rows.begin() + n}};
    std::vector<double> run_times, fill_times, head_times;
    for (int i = 0; i < Repeats(n); ++i) {  // in turns: a slow moment of the machine meets all of them
      run_times.push_back(Time(stage.executor.get(), run_job));
      fill_times.push_back(Time(stage.executor.get(), fill_job));
      head_times.push_back(Time(stage.executor.get(), head_job));
    }
    layer.emplace_back(n, Median(std::move(run_times)) / layers);
    fill.emplace_back(n, Median(std::move(fill_times)) / layers);
    head.emplace_back(n, Median(std::move(head_times)));
  }
  return LayerCosts{CostCurve(std::move(layer)), CostCurve(std::move(fill)), CostCurve(std::move(head))};
}

}  // namespace exeunt
