#include "worker/process/local_pipeline.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace exeunt::worker {

SequenceLimits LimitsOf(const ModelConfig& model, const BackendInfo& backend) {
  return {{model.context_length, model.vocab_size, model.n_layers}, backend.page_tokens};
}

StageConfig MakeStageConfig(const BackendInfo& backend, const StageBuild& build,
                            const std::vector<LayerSpan>& split, int rank, uint64_t epoch) {
  const ModelConfig& model = build.source->config();
  StageConfig config;
  config.rank = rank;
  config.split = split;
  config.epoch = epoch;
  config.limits = LimitsOf(model, backend);
  config.exit_layers = build.exit_layers;
  config.kv_pages = build.kv_pages;
  return config;
}

Result<std::unique_ptr<LocalPipeline>> LocalPipeline::Create(std::shared_ptr<const ModelSource> source,
                                                             const LocalPipelineOptions& options,
                                                             const std::function<void(float)>& progress) {
  const auto stages = static_cast<int>(options.split.size());
  std::unique_ptr<LocalPipeline> pipeline(new LocalPipeline);
  pipeline->limits_ = LimitsOf(source->config(), options.backend->info());
  pipeline->policy_ = std::make_unique<CalmExitPolicy>();
  pipeline->hub_ = std::make_unique<transport::LoopbackHub>(stages);
  for (int rank = 0; rank < stages; ++rank) {
    const LayerSpan layers = options.split[static_cast<size_t>(rank)];
    StageBuild build{.source = source,
                     .layers = layers,
                     .exit_layers = options.exit_layers,
                     .exits_directory = options.exits_directory,
                     .kv_pages = options.kv_pages,
                     .threads = options.threads};
    build.load_progress = [&](float f) {
      progress((static_cast<float>(rank) + f) / static_cast<float>(stages));
    };
    ASSIGN_OR_RETURN(StageExecutor stage, options.backend->Build(build));
    std::unique_ptr<Executor> executor = std::move(stage.executor);
    if (options.wrap_executor) executor = options.wrap_executor(std::move(executor));
    StageConfig config = MakeStageConfig(options.backend->info(), build, options.split, rank, options.epoch);
    config.least_prefill_chunk_tokens = config.prefill_chunk_tokens = options.prefill_chunk_tokens;
    config.max_batch_rows = options.max_batch_rows;
    config.eager_forwarding = options.eager_forwarding;
    pipeline->runners_.push_back(std::make_unique<StageRunner>(
        config, pipeline->policy_.get(), std::move(executor), pipeline->hub_->channel(rank)));
  }
  return pipeline;
}

bool LocalPipeline::Turn(std::vector<StageEvent> first_stage_events, StageOutputs* out) {
  bool active = runners_[0]->Turn(std::move(first_stage_events), out);
  for (size_t i = 1; i < runners_.size(); ++i) active |= runners_[i]->Turn({}, out);
  return active;
}

void LocalPipeline::RunUntilIdle(StageOutputs* out) {
  while (!Idle() && out->Health().has_value()) Turn({}, out);
}

Status LocalPipeline::Generate(const SequenceSpec& spec,
                               const std::function<void(const TokenOut&)>& on_token) {
  RETURN_IF_ERROR(Validate(spec, limits_));  // as a worker does at its border
  std::vector<StageEvent> events{AdmitSequences{{spec}}};
  Status status = OkStatus();
  do {
    StageOutputs out;
    Turn(std::exchange(events, {}), &out);
    if (out.failed) return *out.failed;
    for (const TokenOut& token : out.tokens) on_token(token);
    for (const SequenceFailedOut& f : out.failed_sequences) {
      if (!status) continue;
      events.emplace_back(CancelSequences{{f.sequence}});
      status = Internal("sequence {}: {}", f.sequence, f.reason);
    }
  } while (!Idle() || !events.empty());
  return status;
}

bool LocalPipeline::Idle() const {
  return std::all_of(runners_.begin(), runners_.end(), [](const auto& r) { return r->Idle(); });
}

}  // namespace exeunt::worker
