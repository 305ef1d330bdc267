// LocalPipeline: a whole pipeline in one process, its stages joined over loopback. What `exeunt generate`
// runs, and the laws are tested on. One thread drives all stages, turn by turn; not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cpu/ops.h"
#include "model/layer_plan.h"
#include "model/model_source.h"
#include "transport/loopback_channel.h"
#include "worker/cpu_executor.h"
#include "worker/stage_runner.h"

namespace exeunt {

struct LocalPipelineOptions {
  std::vector<LayerSpan> split;
  std::vector<int> exit_layers;
  std::string exits_directory;  // "": none
  cpu::Isa isa = cpu::DefaultIsa();
  int threads = 1;
  int kv_pages = 1024;
  int prefill_chunk_tokens = 256;
  int max_batch_rows = 512;
  bool eager_forwarding = false;
  bool dequantise = false;  // see StageWeightsOptions
  uint64_t epoch = 1;
  // Wraps each stage's executor: how tests put a fault into one.
  std::function<std::unique_ptr<Executor>(std::unique_ptr<Executor>)> wrap_executor;
};

class LocalPipeline {
 public:
  static Result<std::unique_ptr<LocalPipeline>> Create(std::shared_ptr<const ModelSource> source,
                                                       const LocalPipelineOptions& options,
                                                       const std::function<void(float)>& progress);

  // One turn of every stage, with events for stage 0. True: something happened.
  bool Turn(std::vector<StageEvent> first_stage_events, StageOutputs* out);
  // Turns until nothing is open and every fill is done or dropped, or `out` has a failure.
  void RunUntilIdle(StageOutputs* out);

  int stages() const { return static_cast<int>(runners_.size()); }
  StageRunner& runner(int rank) { return *runners_[static_cast<size_t>(rank)]; }
  bool Idle() const;

 private:
  LocalPipeline() = default;
  std::unique_ptr<ExitPolicy> policy_;
  std::unique_ptr<LoopbackHub> hub_;
  std::vector<std::unique_ptr<StageRunner>> runners_;
};

// What sequences are held to that run through the model on this backend.
SequenceLimits CpuLimits(const ModelConfig& model);

// Builds one stage's executor: loads its weights, maps its cache. Shared with the worker process.
struct StageBuild {
  std::shared_ptr<const ModelSource> source;
  LayerSpan layers;
  std::vector<int> exit_layers;
  std::string exits_directory;
  int kv_pages = 0;
  cpu::Isa isa = cpu::DefaultIsa();
  int threads = 1;
  std::vector<int> cpus;                   // to pin the threads to, or empty
  bool dequantise = false;                 // see StageWeightsOptions
  std::function<void()> progress = [] {};  // between layers, while running
  std::function<void(float)> load_progress = [](float) {};
};
// What a stage's weights are to its kernels, per layer (their mean) and for the head: bytes that one pass
// reads, and multiply-accumulates of one row.
struct StageWork {
  double layer_bytes = 0;
  double fill_bytes = 0;  // K and V only
  double head_bytes = 0;
  double layer_macs = 0;
  double fill_macs = 0;
  double head_macs = 0;
};
struct CpuStage {
  std::unique_ptr<CpuExecutor> executor;
  size_t weight_bytes = 0;  // resident
  size_t head_bytes = 0;    // of them, the vocabulary head
  StageWork work;
};
Result<CpuStage> BuildCpuStage(const StageBuild& build);
// The stage core that goes with it; what `build` does not say has its default.
StageConfig MakeStageConfig(const StageBuild& build, const std::vector<LayerSpan>& split, int rank,
                            uint64_t epoch);
// Whether tokens may leave at this stage: it is the last, or an exit lies in it.
bool StageHasHead(LayerSpan layers, const std::vector<int>& exit_layers, int n_layers);

}  // namespace exeunt
