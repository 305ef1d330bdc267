#include "coordinator/cluster_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <thread>

#include "base/error.h"
#include "coordinator/openai/generation_request.h"

namespace exeunt {
namespace {

std::vector<std::string_view> Parts(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

Result<int> Number(const char* option, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidArgument("{}: '{}' is not a number", option, text);
  }
  return value;
}

proto::LayerRange Range(int begin, int end) {
  proto::LayerRange range;
  range.set_begin(begin);
  range.set_end(end);
  return range;
}

std::vector<proto::LayerRange> EvenSplit(int stages, int n_layers) {
  std::vector<proto::LayerRange> ranges;
  for (int i = 0, begin = 0; i < stages; ++i) {
    const int end = begin + n_layers / stages + (i < n_layers % stages ? 1 : 0);
    ranges.push_back(Range(begin, end));
    begin = end;
  }
  return ranges;
}

int ThreadsPerStage(const Config& config) {
  if (config.threads_per_stage > 0) return config.threads_per_stage;
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  return static_cast<int>(std::max(1U, cores / (config.stages * config.replicas)));
}

Duration FromSeconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// A worker's counter moves with each layer that it computes. Ten seconds, and what the heaviest layer of a
// step takes at 4 GFLOP/s a thread: a tenth of what a slow core does.
Duration ProgressTimeout(const Config& config, const ModelConfig& model) {
  if (config.progress_timeout_s > 0) return FromSeconds(config.progress_timeout_s);
  const double d = model.d_model;
  const double weights = d * (2.0 * model.d_q() + 2.0 * model.d_kv() + 3.0 * model.d_ff);
  const double head = d * model.vocab_size;
  const double rows = std::max(config.prefill_chunk, config.max_batch_rows);
  return FromSeconds(10 + 2 * std::max(weights, head) * rows / (4e9 * ThreadsPerStage(config)));
}

}  // namespace

Result<std::vector<proto::LayerRange>> SplitLayers(const std::string& split, uint32_t stages, int n_layers) {
  if (stages > static_cast<uint32_t>(n_layers)) {
    return InvalidArgument("--stages is {}, the model has {} layers: a stage needs at least one", stages,
                           n_layers);
  }
  if (split == "auto") return EvenSplit(static_cast<int>(stages), n_layers);
  std::vector<proto::LayerRange> ranges;
  int next = 0;
  for (const std::string_view part : Parts(split, ',')) {
    const auto ends = Parts(part, '-');
    if (ends.size() != 2) return InvalidArgument("--split: '{}' is not of the form 0-12", part);
    ASSIGN_OR_RETURN(const int begin, Number("--split", ends[0]));
    ASSIGN_OR_RETURN(const int end, Number("--split", ends[1]));
    if (begin != next) return InvalidArgument("--split: '{}' does not begin at layer {}", part, next);
    if (end <= begin) return InvalidArgument("--split: '{}' has no layer", part);
    ranges.push_back(Range(begin, end));
    next = end;
  }
  if (next != n_layers) return InvalidArgument("--split ends at layer {}, the model has {}", next, n_layers);
  if (ranges.size() != stages) {
    return InvalidArgument("--split has {} stages, --stages is {}", ranges.size(), stages);
  }
  return ranges;
}

Result<std::vector<int>> ExitLayers(const std::string& exit_layers, int n_layers) {
  if (exit_layers == "none") return std::vector<int>();
  std::set<int> layers;
  if (exit_layers == "auto") {
    for (const double share : {0.5, 0.7, 0.8, 0.9}) {
      const int layer = static_cast<int>(std::lround(share * n_layers));
      if (layer >= 1 && layer < n_layers) layers.insert(layer);
    }
    return std::vector<int>(layers.begin(), layers.end());
  }
  for (const std::string_view part : Parts(exit_layers, ',')) {
    ASSIGN_OR_RETURN(const int layer, Number("--exit-layers", part));
    if (layer < 1 || layer >= n_layers) {
      return InvalidArgument("--exit-layers: {} is outside [1, {})", layer, n_layers);
    }
    layers.insert(layer);
  }
  return std::vector<int>(layers.begin(), layers.end());
}

Result<proto::Plan> MakePlan(const Config& config, const ModelConfig& model) {
  proto::Plan plan;
  ASSIGN_OR_RETURN(const auto ranges, SplitLayers(config.split, config.stages, model.n_layers));
  for (const proto::LayerRange& range : ranges) *plan.add_stages() = range;
  ASSIGN_OR_RETURN(const auto exits, ExitLayers(config.exit_layers, model.n_layers));
  plan.mutable_exit_layers()->Add(exits.begin(), exits.end());
  plan.set_model_path(config.model);
  plan.set_exits_path(config.exits);
  plan.set_kv_budget_bytes(config.kv_budget);
  plan.set_threads(ThreadsPerStage(config));
  plan.set_prefill_chunk_tokens(config.prefill_chunk);
  plan.set_max_batch_rows(config.max_batch_rows);
  plan.set_max_sequences(config.max_sequences);
  return plan;
}

CoreConfig MakeCoreConfig(const Config& config, const ModelConfig& model, const proto::Plan& plan,
                          uint64_t first_epoch) {
  CoreConfig core;
  core.pipelines = config.replicas;
  core.stages = config.stages;
  core.first_epoch = first_epoch;
  core.plan = plan;
  core.context_length = static_cast<uint32_t>(model.context_length);
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

}  // namespace exeunt
