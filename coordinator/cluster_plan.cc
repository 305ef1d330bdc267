#include "coordinator/cluster_plan.h"

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "certify/certificate.h"
#include "coordinator/openai/generation_request.h"
#include "costs/layer_split.h"
#include "model/exit_heads_info.h"

namespace exeunt::coordinator {
namespace {

int ThreadsPerStage(const Config& config) {
  if (config.threads_per_stage > 0) return config.threads_per_stage;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return static_cast<int>(std::max(1U, cores / (config.stages * config.replicas)));
}

// A worker's counter moves with each layer that it computes. The limit is ten seconds plus the time of the
// heaviest layer of a step at 4 GFLOP/s per thread. That is a tenth of the speed of a slow core.
Duration ProgressTimeout(const Config& config, const ModelConfig& model) {
  if (config.progress_timeout_s > 0) return FromSeconds(config.progress_timeout_s);
  const LayerCosts costs = EstimateLayerCosts(model);
  const double rows = std::max(config.prefill_chunk, config.max_batch_rows);
  return FromSeconds(10 + 2 * std::max(costs.layer.At(rows), costs.head.At(rows)) /
                              (4e9 * ThreadsPerStage(config)));
}

// Estimates costs for tokens that leave as those of the calibration prompts did under the default
// certificate. Whether there is a certificate of that name is not checked here.
Result<SplitRequest> ExpectedTokens(const Config& config, const ModelConfig& model) {
  SplitRequest request{.stages = static_cast<int>(config.stages),
                       .n_layers = model.n_layers,
                       .costs = EstimateLayerCosts(model)};
  if (config.default_certificate.empty()) return request;
  ASSIGN_OR_RETURN(const auto certificates, certify::LoadCertificates(config.exits));
  const certify::Certificate* certificate =
      certify::FindCertificate(certificates, config.default_certificate);
  if (certificate == nullptr) return request;
  ASSIGN_OR_RETURN(const ExitHeadsInfo exits, LoadExitHeadsInfo(config.exits, model.n_layers));
  request.profile = certificate->profile;
  request.costs.exit = EstimateExitCost(model, exits, certificate->setting.measure);
  return request;
}

}  // namespace

Result<to_worker::Plan> MakePlan(const Config& config, const ModelConfig& model) {
  to_worker::Plan plan;
  ASSIGN_OR_RETURN(const SplitRequest request, ExpectedTokens(config, model));
  ASSIGN_OR_RETURN(const auto spans, ParseSplit(config.split, request));
  for (const LayerSpan& span : spans) plan.stages.push_back({span.begin, span.end});
  ASSIGN_OR_RETURN(plan.exit_layers, ChooseExitLayers(config.exit_layers, config.exits, model.n_layers));
  plan.model_path = config.model;
  plan.adapter_path = config.adapter.directory;
  plan.adapter_type = config.adapter.type;
  plan.rope_scaling = config.overrides.rope_scaling;
  plan.context_length = config.overrides.context_length;
  plan.exits_path = config.exits;
  plan.kv_budget_bytes = config.kv_budget;
  plan.threads = ThreadsPerStage(config);
  plan.pin_threads = config.pin_threads;
  plan.prefill_chunk_tokens = config.prefill_chunk;
  plan.max_batch_rows = config.max_batch_rows;
  return plan;
}

CoreConfig MakeCoreConfig(const Config& config, const ModelConfig& model, const to_worker::Plan& plan,
                          uint64_t first_epoch) {
  CoreConfig core;
  core.pipelines = config.replicas;
  core.stages = config.stages;
  core.first_epoch = first_epoch;
  core.plan = plan;
  core.context_length = static_cast<uint32_t>(model.context_length);
  core.prefix_cache = config.prefix_cache;
  core.max_sequences = static_cast<uint32_t>(config.max_sequences);
  core.max_queue = config.max_queue;
  core.queue_timeout = FromSeconds(config.queue_timeout_s);
  core.load_timeout = FromSeconds(config.load_timeout_s);
  core.heartbeat_timeout = FromSeconds(config.heartbeat_timeout_s);
  core.progress_timeout = ProgressTimeout(config, model);
  core.canary_idle = FromSeconds(config.canary_idle_s);
  core.canary_timeout = FromSeconds(config.canary_timeout_s);
  core.drain_timeout = FromSeconds(config.drain_timeout_s);
  return core;
}

ExitSetting DefaultExit(const Config& config) {
  ExitSetting exit;
  exit.mode = ExitModeOf(config.default_exit_mode).value();
  exit.measure = ExitMeasureOf(config.default_exit_measure).value();
  exit.threshold = static_cast<float>(config.default_exit_threshold);
  exit.min_layer = config.default_exit_min_layer;
  return exit;
}

}  // namespace exeunt::coordinator
