#include "backend/cpu/cpu_backend.h"

#include <utility>

#include "backend/cpu/cpu_executor.h"
#include "kernels/kv_layout.h"

namespace exeunt {
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

OpSeconds Named(const CpuOpSeconds& seconds) {
  OpSeconds named;
  for (size_t op = 0; op < seconds.size(); ++op)
    named.emplace_back(CpuOpName(static_cast<CpuOp>(op)), seconds[op]);
  return named;
}

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(const CpuBackendOptions& options)
      : options_(options),
        info_{.name = "cpu",
              .device = std::string(cpu::IsaName(options.isa)),
              .page_tokens = kPageTokens,
              .state_type = "f32",
              .bit_exact = true} {}

  const BackendInfo& info() const override { return info_; }

  Result<StageExecutor> Build(const StageBuild& build) const override {
    const ModelConfig& config = build.source->config();
    const int n_layers = build.layers.end - build.layers.begin;
    const bool with_head = StageHasHead(build.layers, build.exit_layers, config.n_layers);
    ASSIGN_OR_RETURN(
        StageWeights weights,
        LoadStageWeights(build.source, {build.layers.begin, build.layers.end, with_head, options_.dequantise},
                         build.load_progress));
    ExitHeads exits;
    if (!build.exits_directory.empty()) {
      const Linear* head = weights.head_norm.empty() ? nullptr : &weights.head;
      ASSIGN_OR_RETURN(exits, ExitHeads::Load(build.exits_directory, *build.source, build.layers, head));
    }
    ASSIGN_OR_RETURN(KvCache cache, KvCache::Create(config, n_layers, build.kv_pages));
    StageExecutor stage;
    stage.weight_bytes = weights.bytes();
    stage.head_bytes = weights.head.bytes();
    stage.work = WorkOf(weights);
    auto executor = std::make_unique<CpuExecutor>(std::move(weights), std::move(exits), std::move(cache),
                                                  CpuExecutorOptions{.isa = options_.isa,
                                                                     .threads = build.threads,
                                                                     .cpus = build.cpus,
                                                                     .max_slots = build.max_slots,
                                                                     .progress = build.progress});
    stage.op_seconds = [cpu = executor.get()] { return Named(cpu->op_seconds()); };
    stage.executor = std::move(executor);
    return stage;
  }

  size_t PageBytes(const ModelConfig& config, int n_layers) const override {
    return KvCache::PageBytes(config, n_layers);
  }

 private:
  CpuBackendOptions options_;
  BackendInfo info_;
};

}  // namespace

std::shared_ptr<const Backend> MakeCpuBackend(const CpuBackendOptions& options) {
  return std::make_shared<CpuBackend>(options);
}

}  // namespace exeunt
