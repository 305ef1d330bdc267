// What an operator can set: the command line, a TOML file (--config) and the environment (EXEUNT_...) fill
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
  // The model
  std::string model;           // a .gguf file or a Hugging Face directory
  AdapterOptions adapter;      // a LoRA adapter, merged at load
  ModelOverrides overrides;    // of what the model's file says
  std::string exits;           // directory of exits.json; "": none
  std::string chat_template;   // file of a Jinja template for chats; "": the model's own
  std::string api_model_name;  // "": the file's name; "default" is understood too

  // The REST API
  std::string host = "0.0.0.0";
  uint16_t port = 8080;
  std::string api_keys;         // file of those who may ask; "": everybody may
  std::string tls_certificate;  // PEM files, both or none: HTTPS
  std::string tls_key;
  std::vector<std::string> cors_origins;  // whose pages may use the API from a browser; "*": all
  uint64_t max_header_bytes = 16 << 10;   // of a request
  uint64_t max_body_bytes = uint64_t{4} << 20;
  int max_connections = 1024;
  int max_requests_in_flight = 0;  // POST requests, queued ones too; 0: any number
  double http_idle_timeout_s = 75;
  double http_header_timeout_s = 10;
  double http_body_timeout_s = 30;
  double http_write_timeout_s = 30;
  double stream_comment_interval_s = 10;

  // The pipelines
  uint32_t stages = 2;         // ranks of each pipeline
  uint32_t replicas = 1;       // pipelines
  std::string split = "auto";  // layers of the stages, "0-12,12-30"; auto: even
  std::string exit_layers =
      "auto";                 // exits after these layers, "15,21"; auto: near 50, 70, 80 and 90 %; none
  int threads_per_stage = 0;  // compute threads; 0: this machine's cores shared by all stages
  bool pin_threads = false;   // to CPUs of their own; for a single replica on machines that do nothing else
  uint64_t kv_budget = uint64_t{2} << 30;  // bytes of K/V memory of each pipeline
  int prefill_chunk = 256;                 // tokens of a prompt in one step, at most
  int max_batch_rows = 256;                // rows of one step
  int max_sequences = 64;                  // open at once in each pipeline
  bool prefix_cache = true;                // prompts leave their K/V behind for those that begin alike

  // Requests
  uint32_t default_max_tokens = 512;  // where a request names none
  uint32_t max_tokens_limit = 0;      // of an answer, 0: what the context holds
  uint32_t max_prompt_tokens = 0;     // 0: what the context holds
  uint32_t max_queue = 256;           // requests that wait for a place; more get 429
  double queue_timeout_s = 600;
  double audit_share = 0.0;
  double audit_level = 0.01;
  bool audit_fallback = false;
  std::string audit_state;                // file of the evidence; "": it is forgotten at the end
  std::string default_certificate;        // "": the setting below
  std::string default_exit_mode = "off";  // off or propagate
  std::string default_exit_measure = "softmax";
  double default_exit_threshold = 1.0;  // 1: no exits
  int default_exit_min_layer = 0;

  // The jobs
  std::string worker_binary;  // "": exeunt-worker beside this program
  std::string mpirun = "mpirun";
  std::string hostfile;                  // "": everything on this machine
  std::vector<std::string> mpirun_args;  // further arguments, one each
  std::string control_host;   // where workers reach this process; "": 127.0.0.1, or with a hostfile this host
  uint16_t control_port = 0;  // 0: any free one
  std::string secret_file;    // "": EXEUNT_SECRET_FILE, EXEUNT_SECRET, or a fresh secret
  double load_timeout_s = 120;  // without progress in loading
  double heartbeat_timeout_s = 3;
  double progress_timeout_s = 0;  // a busy stage whose counter stands still; 0: from the cost of a layer
  double canary_idle_s = 10;      // an idle pipeline is asked for a token
  double canary_timeout_s = 10;
  double drain_timeout_s = 30;  // at SIGTERM, for what runs
  std::string log_level = "info";
};

// What the command line came to: a configuration, or something to print and leave with.
struct ParsedConfig {
  std::optional<Config> config;
  std::string text;  // help, version, or what is wrong
  int exit_code = 0;
};

ParsedConfig ParseConfig(int argc, const char* const* argv);
// Errors name option, value and limit. What depends on the model is checked by MakePlan (cluster_plan.h).
Status Validate(const Config& config);

}  // namespace exeunt::coordinator
