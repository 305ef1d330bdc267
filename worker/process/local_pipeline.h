// LocalPipeline is a whole pipeline in one process, with its stages joined over loopback. `exeunt generate`
// and the tests of the laws run it. One thread drives all stages, turn by turn. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "model/layer_span.h"
#include "model/model_source.h"
#include "transport/loopback_channel.h"
#include "worker/core/stage_runner.h"

namespace exeunt::worker {

struct LocalPipelineOptions {
  std::vector<LayerSpan> split;
  std::vector<int> exit_layers;
  std::string exits_directory;  // "" for none
  int threads = 1;
  int kv_pages = 1024;
  int prefill_chunk_tokens = 256;
  int max_batch_rows = 512;
  bool eager_forwarding = false;
  uint64_t epoch = 1;
  std::shared_ptr<const Backend> backend = MakeCpuBackend();
  // Wraps each stage's executor, so that tests can inject a fault.
  std::function<std::unique_ptr<Executor>(std::unique_ptr<Executor>)> wrap_executor;
};

class LocalPipeline {
 public:
  static Result<std::unique_ptr<LocalPipeline>> Create(std::shared_ptr<const ModelSource> source,
                                                       const LocalPipelineOptions& options,
                                                       const std::function<void(float)>& progress);

  // Runs one turn of every stage, with events for stage 0. Returns whether something happened.
  bool Turn(std::vector<StageEvent> first_stage_events, StageOutputs* out);
  // Runs turns until nothing is open and every fill is done or dropped, or until `out` has a failure.
  void RunUntilIdle(StageOutputs* out);

  // Runs one sequence alone to its end. `on_token` gets each token when it is drawn, in order. The error says
  // what is wrong with `spec`, or why the sequence or the pipeline failed. After a refused or failed sequence
  // the pipeline takes another one.
  Status Generate(const SequenceSpec& spec, const std::function<void(const TokenOut&)>& on_token);

  int stages() const { return static_cast<int>(runners_.size()); }
  StageRunner& runner(int rank) { return *runners_[static_cast<size_t>(rank)]; }
  bool Idle() const;

 private:
  LocalPipeline() = default;
  SequenceLimits limits_;
  std::unique_ptr<ExitPolicy> policy_;
  std::unique_ptr<transport::LoopbackHub> hub_;
  std::vector<std::unique_ptr<StageRunner>> runners_;
};

// Returns the limits of sequences that run through the model on the backend.
SequenceLimits LimitsOf(const ModelConfig& model, const BackendInfo& backend);

// Returns the configuration of the stage core for an executor. Settings that `build` does not have get their
// defaults.
StageConfig MakeStageConfig(const BackendInfo& backend, const StageBuild& build,
                            const std::vector<LayerSpan>& split, int rank, uint64_t epoch);

}  // namespace exeunt::worker
