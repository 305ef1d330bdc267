#include "worker/layer_costs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "worker/local_pipeline.h"

namespace exeunt {
namespace {

constexpr int kRepeats = 15;
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
  std::nth_element(times.begin(), times.begin() + kRepeats / 2, times.end());
  return times[kRepeats / 2];
}

}  // namespace

Result<LayerCosts> MeasureLayerCosts(std::shared_ptr<const ModelSource> source,
                                     const CostMeasurement& options) {
  const ModelConfig& model = source->config();
  const double layer_bytes = EstimateLayerCosts(model).layer / 2;  // about four bits a weight: fewest layers
  const int layers = std::min(model.n_layers, static_cast<int>(std::ceil(kLeastBytes / layer_bytes)));
  const int pages_of_row = kPosition / cpu::kPageTokens + 1;
  StageBuild build;
  build.source = std::move(source);
  build.layers = {model.n_layers - layers, model.n_layers};  // the last layers: with the head
  build.kv_pages = options.rows * pages_of_row;
  build.threads = options.threads;
  ASSIGN_OR_RETURN(CpuStage stage, BuildCpuStage(build));
  stage.executor->EnsureSlots(options.rows);

  std::vector<std::vector<int32_t>> pages(static_cast<size_t>(options.rows));
  SegmentJob run{.layer_begin = build.layers.begin, .layer_end = build.layers.end};
  HeadJob head;
  const SamplingParams greedy{.temperature = 0.0F};
  for (int32_t r = 0; r < options.rows; ++r) {
    auto& own = pages[static_cast<size_t>(r)];
    for (int32_t p = 0; p < pages_of_row; ++p) own.push_back(r * pages_of_row + p);
    run.run.push_back({r, kPosition, 0, &own});
    head.rows.push_back({r, model.n_layers, kPosition + 1, &greedy, false});
  }
  SegmentJob fill{.layer_begin = run.layer_begin, .layer_end = run.layer_end, .fill = run.run};
  std::vector<double> run_times, fill_times, head_times;
  for (int i = 0; i < kRepeats; ++i) {  // in turns: a slow moment of the machine meets all of them
    run_times.push_back(Time(stage.executor.get(), run));
    fill_times.push_back(Time(stage.executor.get(), fill));
    head_times.push_back(Time(stage.executor.get(), head));
  }
  const double row_layers = static_cast<double>(options.rows) * layers;
  LayerCosts costs;
  costs.layer = Median(run_times) / row_layers;
  costs.fill = Median(fill_times) / row_layers;
  costs.head = Median(head_times) / options.rows;
  return costs;
}

}  // namespace exeunt
