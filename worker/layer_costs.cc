#include "worker/layer_costs.h"

#include <algorithm>
#include <cmath>

#include "worker/local_pipeline.h"

namespace exeunt {
namespace {

constexpr int kRepeats = 7;
constexpr int kPosition = 64;             // what the rows attend to: little beside a layer's matrices
constexpr double kLeastBytes = 64 << 20;  // of layers: more than a cache that a whole model would not fit in

// The fastest of some runs of the job, in seconds.
template <typename Work>
double Fastest(Executor* executor, const Work& work) {
  double fastest = HUGE_VAL;
  for (int i = 0; i < kRepeats; ++i) {
    executor->Submit({1, work});
    std::vector<JobDone> done;
    const TimePoint begin = MonotonicNow();
    executor->Poll(&done);
    fastest = std::min(fastest, Seconds(MonotonicNow() - begin));
  }
  return fastest;
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
  HeadJob head{.layer = build.layers.end, .rows = {}};
  const SamplingParams greedy{.temperature = 0.0F};
  for (int32_t r = 0; r < options.rows; ++r) {
    auto& own = pages[static_cast<size_t>(r)];
    for (int32_t p = 0; p < pages_of_row; ++p) own.push_back(r * pages_of_row + p);
    run.run.push_back({r, kPosition, 0, &own});
    head.rows.push_back({r, kPosition + 1, &greedy, false});
  }
  SegmentJob fill{.layer_begin = run.layer_begin, .layer_end = run.layer_end, .fill = run.run};
  LayerCosts costs;
  const double row_layers = static_cast<double>(options.rows) * layers;
  costs.layer = Fastest(stage.executor.get(), run) / row_layers;
  costs.fill = Fastest(stage.executor.get(), fill) / row_layers;
  costs.head = Fastest(stage.executor.get(), head) / options.rows;
  return costs;
}

}  // namespace exeunt
