// The operator's settings. The command line, a TOML file (--config) and the environment (EXEUNT_...) fill
// this one structure, in this order of precedence. An unknown key is an error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/model_source.h"

namespace exeunt::coordinator {

struct Config {
  // The model.
  std::string model;           // .gguf file or Hugging Face directory
  AdapterOptions adapter;      // LoRA adapter that is merged at load
  ModelOverrides overrides;    // replacements for settings of the model's file
  std::string exits;           // directory of exits.json; "": none
  std::string chat_template;   // file of a Jinja template for chats; "": the model's own
  std::string api_model_name;  // "": the file's name; "default" also names the model

  // The REST API.
  std::string host = "0.0.0.0";
  uint16_t port = 8080;
  std::string api_keys;         // file of API keys; "": nobody needs a key
  std::string tls_certificate;  // PEM file for HTTPS; both files or none
  std::string tls_key;
  std::vector<std::string> cors_origins;  // origins of pages that may use the API from a browser; "*": all
  uint64_t max_header_bytes = 16 << 10;   // limit for a request
  uint64_t max_body_bytes = uint64_t{4} << 20;
  int max_connections = 1024;
  int max_requests_in_flight = 0;  // limit of POST requests, with queued ones; 0: none
  double http_idle_timeout_s = 75;
  double http_header_timeout_s = 10;
  double http_body_timeout_s = 30;
  double http_write_timeout_s = 30;
  double stream_comment_interval_s = 10;

  // The pipelines.
  uint32_t stages = 2;               // ranks of each pipeline
  uint32_t replicas = 1;             // number of pipelines
  std::string split = "auto";        // layers of the stages, "0-12,12-30"; auto: even
  std::string exit_layers = "auto";  // "15,21"; auto: near 50, 70, 80 and 90 %; none
  int threads_per_stage = 0;         // layers with exits, "15,21"; auto: near 50, 70, 80 and 90 %; or none
  // Pins threads to their own CPUs. It is for a single replica on machines that do nothing else.
  bool pin_threads = false;
  uint64_t kv_budget = uint64_t{2} << 30;  // bytes of K/V memory of each pipeline
  int prefill_chunk = 256;                 // largest part of a prompt in one step, in tokens
  int max_batch_rows = 256;                // rows of one step
  int max_sequences = 64;                  // open sequences in each pipeline
  bool prefix_cache = true;                // whether prompts leave retained prefixes

  // Requests.
  uint32_t default_max_tokens = 512;  // for requests without max_tokens
  uint32_t max_tokens_limit = 0;      // limit of an answer; 0: what the context holds
  uint32_t max_prompt_tokens = 0;     // 0: what the context holds
  uint32_t max_queue = 256;           // requests that wait for a place; more get 429
  double queue_timeout_s = 600;
  double audit_share = 0.0;
  double audit_level = 0.01;
  bool audit_fallback = false;
  std::string audit_state;                // file of the evidence; "": the evidence is lost at the end
  std::string default_certificate;        // "": the setting below
  std::string default_exit_mode = "off";  // off or propagate
  std::string default_exit_measure = "softmax";
  double default_exit_threshold = 1.0;  // 1: no exits
  int default_exit_min_layer = 0;

  // The jobs.
  std::string worker_binary;  // "": exeunt-worker beside this program
  std::string mpirun = "mpirun";
  std::string hostfile;                  // "": all ranks on this machine
  std::vector<std::string> mpirun_args;  // further arguments, one each
  // The host where workers reach this process. "" means 127.0.0.1, or this host if there is a hostfile.
  std::string control_host;
  uint16_t control_port = 0;    // 0: any free port
  std::string secret_file;      // "": EXEUNT_SECRET_FILE, EXEUNT_SECRET, or a new secret
  double load_timeout_s = 120;  // longest time without progress in loading
  double heartbeat_timeout_s = 3;
  double progress_timeout_s = 0;  // for a busy stage; 0: derived from the cost of a layer
  double canary_idle_s = 10;      // idle time after which a pipeline is asked for a token
  double canary_timeout_s = 10;
  double drain_timeout_s = 30;  // for running requests after SIGTERM
  std::string log_level = "info";
};

// The result of the command line, which is a configuration or a text to print before the program exits.
struct ParsedConfig {
  std::optional<Config> config;
  std::string text;  // help, version, or error
  int exit_code = 0;
};

ParsedConfig ParseConfig(int argc, const char* const* argv);
// Errors name option, value and limit. MakePlan (cluster_plan.h) checks what depends on the model.
Status Validate(const Config& config);

}  // namespace exeunt::coordinator
