#include "worker/local_pipeline.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace exeunt {

bool StageHasHead(LayerSpan layers, const std::vector<int>& exit_layers, int n_layers) {
  return layers.end == n_layers || std::any_of(exit_layers.begin(), exit_layers.end(), [&](int exit) {
           return exit > layers.begin && exit <= layers.end;
         });
}

SequenceLimits CpuLimits(const ModelConfig& model) {
  return {{model.context_length, model.vocab_size, model.n_layers}, cpu::kPageTokens};
}

namespace {

StageWork WorkOf(const StageWeights& weights) {
  const auto macs = [](const Linear& l) { return static_cast<double>(l.n()) * l.k(); };
  const auto layers = static_cast<double>(weights.layers.size());
  StageWork work;
  for (const LayerWeights& w : weights.layers) {
    for (const Linear* l : {&w.q, &w.kv, &w.o, &w.gate_up, &w.down}) {
      work.layer_bytes += static_cast<double>(l->bytes()) / layers;
      work.layer_macs += macs(*l) / layers;
    }
    work.fill_bytes += static_cast<double>(w.kv.bytes()) / layers;
    work.fill_macs += macs(w.kv) / layers;
  }
  work.head_bytes = static_cast<double>(weights.head.bytes());
  work.head_macs = macs(weights.head);
  return work;
}

}  // namespace

Result<CpuStage> BuildCpuStage(const StageBuild& build) {
  const ModelConfig& config = build.source->config();
  const int n_layers = build.layers.end - build.layers.begin;
  ASSIGN_OR_RETURN(
      StageWeights weights,
      LoadStageWeights(build.source,
                       {build.layers.begin, build.layers.end,
                        StageHasHead(build.layers, build.exit_layers, config.n_layers), build.dequantise},
                       build.load_progress));
  ExitHeads exits;
  if (!build.exits_directory.empty()) {
    const Linear* head = weights.head_norm.empty() ? nullptr : &weights.head;
    ASSIGN_OR_RETURN(exits, ExitHeads::Load(build.exits_directory, *build.source, build.layers, head));
  }
  ASSIGN_OR_RETURN(KvCache cache, KvCache::Create(config, n_layers, build.kv_pages));
  CpuStage stage;
  stage.weight_bytes = weights.bytes();
  stage.head_bytes = weights.head.bytes();
  stage.work = WorkOf(weights);
  stage.executor =
      std::make_unique<CpuExecutor>(std::move(weights), std::move(exits), std::move(cache),
                                    CpuExecutorOptions{build.isa, build.threads, build.cpus, build.progress});
  return stage;
}

StageConfig MakeStageConfig(const StageBuild& build, const std::vector<LayerSpan>& split, int rank,
                            uint64_t epoch) {
  const ModelConfig& model = build.source->config();
  StageConfig config;
  config.rank = rank;
  config.split = split;
  config.epoch = epoch;
  config.limits = CpuLimits(model);
  config.exit_layers = build.exit_layers;
  config.kv_pages = build.kv_pages;
  return config;
}

Result<std::unique_ptr<LocalPipeline>> LocalPipeline::Create(std::shared_ptr<const ModelSource> source,
                                                             const LocalPipelineOptions& options,
                                                             const std::function<void(float)>& progress) {
  const auto stages = static_cast<int>(options.split.size());
  std::unique_ptr<LocalPipeline> pipeline(new LocalPipeline);
  pipeline->policy_ = std::make_unique<CalmExitPolicy>();
  pipeline->hub_ = std::make_unique<LoopbackHub>(stages);
  for (int rank = 0; rank < stages; ++rank) {
    const LayerSpan layers = options.split[static_cast<size_t>(rank)];
    StageBuild build{
        source,          layers, options.exit_layers, options.exits_directory, options.kv_pages, options.isa,
        options.threads, {},     options.dequantise};
    build.load_progress = [&](float f) {
      progress((static_cast<float>(rank) + f) / static_cast<float>(stages));
    };
    ASSIGN_OR_RETURN(CpuStage stage, BuildCpuStage(build));
    std::unique_ptr<Executor> executor = std::move(stage.executor);
    if (options.wrap_executor) executor = options.wrap_executor(std::move(executor));
    StageConfig config = MakeStageConfig(build, options.split, rank, options.epoch);
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
  while (!Idle() && !out->failed) Turn({}, out);
}

bool LocalPipeline::Idle() const {
  return std::all_of(runners_.begin(), runners_.end(), [](const auto& r) { return r->Idle(); });
}

}  // namespace exeunt
