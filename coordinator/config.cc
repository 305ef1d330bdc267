#include "coordinator/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "coordinator/openai/generation_request.h"

namespace exeunt::coordinator {
namespace {

constexpr uint64_t kMaxHeaderBytes = uint64_t{1} << 20;

// Returns the environment's name of an option, such as EXEUNT_MAX_QUEUE for "--max-queue".
std::string EnvironmentName(const std::string& option) {
  std::string name = "EXEUNT_";
  for (const char c : option.substr(2)) name += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return name;
}

template <typename T>
CLI::Option* Add(CLI::App* app, const std::string& name, T* field, const std::string& help) {
  return app->add_option(name, *field, help)->capture_default_str()->envname(EnvironmentName(name));
}

void AddFlag(CLI::App* app, const std::string& name, bool* field, const std::string& help) {
  app->add_flag(name, *field, help)->envname(EnvironmentName(name));
}

void AddModelOptions(CLI::App* app, Config* c) {
  Add(app, "--model", &c->model, "model: a .gguf file or a Hugging Face directory")->required();
  Add(app, "--adapter", &c->adapter.directory, "PEFT directory of a LoRA adapter, merged at load");
  Add(app, "--adapter-type", &c->adapter.type,
      "of merged matrices: auto, F32, F16, BF16, Q8_0, Q4_0 or Q4_1");
  Add(app, "--rope-scaling", &c->overrides.rope_scaling,
      R"(instead of the model's, e.g. {"rope_type": "yarn", "factor": 4})");
  Add(app, "--context-length", &c->overrides.context_length,
      "positions, instead of the model's (0: the model's, with its RoPE scaling)");
  Add(app, "--exits", &c->exits, "directory of exits.json");
  Add(app, "--chat-template", &c->chat_template,
      "file of the Jinja template that chats are rendered with (default: the model's own)");
  Add(app, "--api-model-name", &c->api_model_name, "name of the model in the API (default: its file)");
}

void AddHttpOptions(CLI::App* app, Config* c) {
  Add(app, "--host", &c->host, "address of the REST API, or a name, which stands for all of its addresses");
  Add(app, "--port", &c->port, "port of the REST API");
  Add(app, "--api-keys", &c->api_keys,
      "file of the keys that requests must have, `NAME KEY` or `KEY` a line");
  Add(app, "--tls-certificate", &c->tls_certificate, "PEM file of the certificate and its chain: HTTPS");
  Add(app, "--tls-key", &c->tls_key, "PEM file of the certificate's private key");
  Add(app, "--cors-origin", &c->cors_origins,
      "whose web pages may use the API, e.g. https://chat.example, or *; may be repeated")
      ->allow_extra_args(false);
  Add(app, "--max-header-bytes", &c->max_header_bytes, "largest header of a request")
      ->transform(CLI::AsSizeValue(false));
  Add(app, "--max-body-bytes", &c->max_body_bytes, "largest request")->transform(CLI::AsSizeValue(false));
  Add(app, "--max-connections", &c->max_connections, "HTTP connections at once; more get 503");
  Add(app, "--max-requests-in-flight", &c->max_requests_in_flight,
      "POST requests at once, those that wait too; more get 429 (0: any number)");
  Add(app, "--http-idle-timeout", &c->http_idle_timeout_s, "seconds a connection may be idle");
  Add(app, "--http-header-timeout", &c->http_header_timeout_s,
      "seconds for a request's header, and for a TLS handshake");
  Add(app, "--http-body-timeout", &c->http_body_timeout_s, "seconds for a request's body");
  Add(app, "--http-write-timeout", &c->http_write_timeout_s, "seconds for a client to take what is written");
  Add(app, "--stream-comment-interval", &c->stream_comment_interval_s,
      "seconds after which a silent stream gets a comment, so that proxies keep it (0: none, and no header "
      "before the first token)");
}

void AddPipelineOptions(CLI::App* app, Config* c) {
  Add(app, "--stages", &c->stages, "stages of each pipeline");
  Add(app, "--replicas", &c->replicas, "pipelines");
  Add(app, "--split", &c->split, "layers of the stages: auto, even, or 0-12,12-30");
  Add(app, "--exit-layers", &c->exit_layers, "exits after these layers: auto, none, or 15,21");
  Add(app, "--threads-per-stage", &c->threads_per_stage, "compute threads of a stage (0: share the cores)");
  AddFlag(app, "--pin-threads", &c->pin_threads,
          "compute threads to CPUs of their own: machines that do nothing else");
  Add(app, "--kv-budget", &c->kv_budget, "K/V memory of each pipeline, e.g. 2GiB")
      ->transform(CLI::AsSizeValue(false));
  Add(app, "--prefill-chunk", &c->prefill_chunk, "tokens of a prompt in one step, at most");
  Add(app, "--max-batch-rows", &c->max_batch_rows, "rows of one step");
  Add(app, "--prefix-cache", &c->prefix_cache,
      "prompts leave their K/V behind, as long as there is room, for those that begin alike");
  Add(app, "--max-sequences", &c->max_sequences, "sequences open at once in each pipeline");
}

void AddRequestOptions(CLI::App* app, Config* c) {
  Add(app, "--default-max-tokens", &c->default_max_tokens, "where a request names none");
  Add(app, "--max-tokens-limit", &c->max_tokens_limit,
      "most tokens of an answer that may be asked for (0: what the context holds)");
  Add(app, "--max-prompt-tokens", &c->max_prompt_tokens,
      "longest prompt in tokens (0: what the context holds)");
  Add(app, "--max-queue", &c->max_queue, "requests that wait; more get 429");
  Add(app, "--queue-timeout", &c->queue_timeout_s, "seconds a request may wait");
  Add(app, "--default-certificate", &c->default_certificate,
      "certificate or family of --exits for requests that name no exit; what it does not cover runs in full");
  Add(app, "--audit-share", &c->audit_share,
      "share of the requests under a certificate that are run again in full, when nothing waits");
  Add(app, "--audit-level", &c->audit_level, "chance of a false alarm of a certificate, at most");
  Add(app, "--audit-state", &c->audit_state,
      "file that keeps the evidence against certificates over restarts");
  AddFlag(app, "--audit-fallback", &c->audit_fallback,
          "after an alarm of a certificate, run its new requests in full");
  Add(app, "--default-exit-mode", &c->default_exit_mode, "off or propagate, where a request names none");
  Add(app, "--default-exit-measure", &c->default_exit_measure,
      "softmax, preview, candidates, state or classifier");
  Add(app, "--default-exit-threshold", &c->default_exit_threshold, "confidence to leave at; 1: never");
  Add(app, "--default-exit-min-layer", &c->default_exit_min_layer, "exits after fewer layers are not taken");
}

void AddJobOptions(CLI::App* app, Config* c) {
  Add(app, "--worker-binary", &c->worker_binary, "exeunt-worker (default: beside this program)");
  Add(app, "--mpirun", &c->mpirun, "mpirun");
  Add(app, "--hostfile", &c->hostfile, "hosts of the pipelines, as mpirun reads it");
  Add(app, "--mpirun-arg", &c->mpirun_args, "further argument of mpirun; may be repeated")
      ->allow_extra_args(false);
  Add(app, "--control-host", &c->control_host, "where workers reach this process");
  Add(app, "--control-port", &c->control_port, "and at which port (0: any)");
  Add(app, "--secret-file", &c->secret_file, "file of the secret that workers prove");
  Add(app, "--load-timeout", &c->load_timeout_s, "seconds without progress in loading");
  Add(app, "--heartbeat-timeout", &c->heartbeat_timeout_s, "seconds of silence that end a job");
  Add(app, "--progress-timeout", &c->progress_timeout_s,
      "seconds a busy stage may stand still (0: by its cost)");
  Add(app, "--canary-idle", &c->canary_idle_s, "seconds after which an idle pipeline is tried");
  Add(app, "--canary-timeout", &c->canary_timeout_s, "seconds for that trial");
  Add(app, "--drain-timeout", &c->drain_timeout_s, "seconds for running requests at SIGTERM");
  Add(app, "--log-level", &c->log_level, "trace, debug, info, warn, error");
}

Status AtLeast(const char* option, double value, double low) {
  if (value >= low) return OkStatus();
  return InvalidArgument("{} is {}, it must be at least {}", option, value, low);
}

bool IsOrigin(const std::string& text) {
  const size_t scheme = text.find("://");
  const bool has_host = scheme != std::string::npos && scheme > 0 && scheme + 3 < text.size();
  return text == "*" || (has_host && text.find_first_of("/*, ", scheme + 3) == std::string::npos);
}

Status CheckHttp(const Config& config) {
  if (config.tls_certificate.empty() != config.tls_key.empty())
    return InvalidArgument("--tls-certificate and --tls-key go together: one of them is missing");
  for (const std::string& origin : config.cors_origins) {
    if (IsOrigin(origin)) continue;
    return InvalidArgument(
        "--cors-origin is '{}', it must be like https://chat.example, without a path, or *", origin);
  }
  RETURN_IF_ERROR(AtLeast("--max-header-bytes", static_cast<double>(config.max_header_bytes), 1024));
  if (config.max_header_bytes > kMaxHeaderBytes) {
    return InvalidArgument("--max-header-bytes is {}, it must be at most {}", config.max_header_bytes,
                           kMaxHeaderBytes);
  }
  RETURN_IF_ERROR(AtLeast("--max-connections", config.max_connections, 1));
  RETURN_IF_ERROR(AtLeast("--max-requests-in-flight", config.max_requests_in_flight, 0));
  RETURN_IF_ERROR(AtLeast("--http-idle-timeout", config.http_idle_timeout_s, 1));
  RETURN_IF_ERROR(AtLeast("--http-header-timeout", config.http_header_timeout_s, 1));
  RETURN_IF_ERROR(AtLeast("--http-body-timeout", config.http_body_timeout_s, 1));
  RETURN_IF_ERROR(AtLeast("--http-write-timeout", config.http_write_timeout_s, 1));
  if (config.stream_comment_interval_s == 0) return OkStatus();
  return AtLeast("--stream-comment-interval", config.stream_comment_interval_s, 1);
}

Status CheckExitDefaults(const Config& config) {
  const auto mode = ExitModeOf(config.default_exit_mode);
  if (mode != ExitMode::kOff && mode != ExitMode::kPropagate) {
    return InvalidArgument("--default-exit-mode is '{}', it must be off or propagate",
                           config.default_exit_mode);
  }
  const auto measure = ExitMeasureOf(config.default_exit_measure);
  if (!measure || Info(*measure).signal == SignalSource::kNothing) {
    std::vector<const char*> names;
    for (const ExitMeasureInfo& info : kExitMeasures) {
      if (info.signal != SignalSource::kNothing) names.push_back(info.name);
    }
    return InvalidArgument("--default-exit-measure is '{}', it must be one of {}",
                           config.default_exit_measure, fmt::join(names, ", "));
  }
  if (Info(*measure).needs != ExitArtefact::kNone && config.exits.empty()) {
    return InvalidArgument("--default-exit-measure {} needs --exits", config.default_exit_measure);
  }
  return AtLeast("--default-exit-min-layer", config.default_exit_min_layer, 0);
}

}  // namespace

ParsedConfig ParseConfig(int argc, const char* const* argv) {
  Config config;
  CLI::App app("Exeunt coordinator: serves a model over a pipeline of stages", "exeunt-coordinator");
  app.set_config("--config", "", "TOML file with these options, e.g. port = 8080");
  app.allow_config_extras(CLI::config_extras_mode::error);
  AddModelOptions(&app, &config);
  AddHttpOptions(&app, &config);
  AddPipelineOptions(&app, &config);
  AddRequestOptions(&app, &config);
  AddJobOptions(&app, &config);
  ParsedConfig parsed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    parsed.exit_code = app.exit(error, out, err);
    parsed.text = out.str() + err.str();
    return parsed;
  }
  if (const Status status = Validate(config); !status) {
    parsed.exit_code = 2;
    parsed.text = status.error().message + "\n";
    return parsed;
  }
  parsed.config = config;
  return parsed;
}

Status Validate(const Config& config) {
  RETURN_IF_ERROR(AtLeast("--stages", config.stages, 1));
  RETURN_IF_ERROR(AtLeast("--replicas", config.replicas, 1));
  RETURN_IF_ERROR(AtLeast("--context-length", config.overrides.context_length, 0));
  RETURN_IF_ERROR(AtLeast("--threads-per-stage", config.threads_per_stage, 0));
  if (config.pin_threads && config.replicas > 1) {
    return InvalidArgument("--pin-threads is for one replica: {} would take the same CPUs", config.replicas);
  }
  RETURN_IF_ERROR(AtLeast("--prefill-chunk", config.prefill_chunk, 1));
  RETURN_IF_ERROR(AtLeast("--max-batch-rows", config.max_batch_rows, 1));
  RETURN_IF_ERROR(AtLeast("--max-sequences", config.max_sequences, 1));
  RETURN_IF_ERROR(CheckHttp(config));
  RETURN_IF_ERROR(AtLeast("--default-max-tokens", config.default_max_tokens, 1));
  RETURN_IF_ERROR(AtLeast("--queue-timeout", config.queue_timeout_s, 0));
  RETURN_IF_ERROR(AtLeast("--default-exit-threshold", config.default_exit_threshold, 0));
  RETURN_IF_ERROR(AtLeast("--audit-share", config.audit_share, 0));
  if (config.audit_share > 1)
    return InvalidArgument("--audit-share is {}, it must be at most 1", config.audit_share);
  if (!(config.audit_level > 0 && config.audit_level < 1)) {
    return InvalidArgument("--audit-level is {}, it must be between 0 and 1", config.audit_level);
  }
  RETURN_IF_ERROR(AtLeast("--load-timeout", config.load_timeout_s, 1));
  RETURN_IF_ERROR(AtLeast("--heartbeat-timeout", config.heartbeat_timeout_s, 1));
  RETURN_IF_ERROR(AtLeast("--progress-timeout", config.progress_timeout_s, 0));
  RETURN_IF_ERROR(AtLeast("--canary-idle", config.canary_idle_s, 1));
  RETURN_IF_ERROR(AtLeast("--canary-timeout", config.canary_timeout_s, 1));
  RETURN_IF_ERROR(AtLeast("--drain-timeout", config.drain_timeout_s, 0));
  return CheckExitDefaults(config);
}

}  // namespace exeunt::coordinator
