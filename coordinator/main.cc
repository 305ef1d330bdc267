// exeunt-coordinator runs the REST gateway, the coordinator core and one mpirun child per pipeline, on one
// thread.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/log.h"
#include "base/write_file.h"
#include "coordinator/cluster_plan.h"
#include "coordinator/config.h"
#include "coordinator/driver/driver.h"
#include "coordinator/gateway/gateway.h"
#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/tls_context.h"
#include "coordinator/metrics/build_info.h"
#include "coordinator/supervisor/mpirun_launcher.h"
#include "model/exit_heads_info.h"
#include "model/gguf_split.h"
#include "model/model_source.h"
#include "text/open_tokenizer.h"
#include "transport/control_server.h"
#include "transport/listen_addresses.h"

namespace exeunt::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr auto kControlHostLookUp = std::chrono::seconds(10);

uint64_t MillisecondsSince1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

std::string OwnHostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "127.0.0.1";
}

Result<std::string> WorkerBinary(const Config& config) {
  if (!config.worker_binary.empty()) {
    if (access(config.worker_binary.c_str(), X_OK) == 0) return fs::absolute(config.worker_binary).string();
    return NotFound("--worker-binary '{}' cannot be executed", config.worker_binary);
  }
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/exe", error).parent_path();
  // The worker is installed beside this program. In a build tree it is in the next folder.
  for (const fs::path& path : {own / "exeunt-worker", own.parent_path() / "worker" / "exeunt-worker"}) {
    if (access(path.c_str(), X_OK) == 0) return path.string();
  }
  return NotFound("there is no exeunt-worker in '{}'; name it with --worker-binary", own.string());
}

Result<std::string> Secret(const Config& config) {
  if (!config.secret_file.empty()) return transport::ReadControlSecretFile(config.secret_file);
  auto secret = transport::LoadControlSecret();
  if (!secret && secret.error().code == ErrorCode::kNotFound) return transport::NewControlSecret();
  return secret;
}

// Returns a model's name, such as "Qwen2.5-0.5B" for "/models/Qwen2.5-0.5B.gguf", for its part
// "Qwen2.5-0.5B-00001-of-00002.gguf", and for "/models/Qwen2.5-0.5B/".
std::string NameOf(const fs::path& path) {
  const fs::path last = path.filename().empty() ? path.parent_path().filename() : path.filename();
  return last.extension() == ".gguf" ? GgufModelName(last) : last.string();
}

// Sorts the certificates of --exits into those that hold for the served model and those that do not, with
// reasons.
Status AddCertificates(const Config& config, const ModelSource& source, ApiLimits* limits) {
  ASSIGN_OR_RETURN(const auto certificates, certify::LoadCertificates(config.exits));
  if (!certificates.empty()) {
    ASSIGN_OR_RETURN(const std::string exits_hash, certify::ExitsHash(config.exits));
    const certify::ServedExits served{source.ContentHash(), exits_hash, "cpu", limits->exit_layers,
                                      limits->max_tokens};
    for (const certify::Certificate& certificate : certificates) {
      const Status holds = certify::HoldsFor(certificate, served);
      if (holds) {
        limits->certificates.push_back(certificate);
        continue;
      }
      spdlog::warn("certificate={} not offered: {}", certificate.name, holds.error().message);
      limits->uncertified[certificate.name] = holds.error().message;
      if (!certificate.family.empty()) limits->uncertified[certificate.family] = holds.error().message;
    }
  }
  limits->default_certificate = config.default_certificate;
  const bool known = certify::FindCertificate(limits->certificates, config.default_certificate) != nullptr;
  if (config.default_certificate.empty() || known) return OkStatus();
  return InvalidArgument("--default-certificate '{}': {}", config.default_certificate,
                         limits->uncertified.contains(config.default_certificate)
                             ? limits->uncertified.at(config.default_certificate)
                             : "not in " + config.exits + "/certificates");
}

Result<ServedModel> MakeServedModel(const Config& config, const ModelSource& source,
                                    const to_worker::Plan& plan) {
  ServedModel model;
  const ModelConfig& shape = source.config();
  model.id = config.api_model_name;
  if (model.id.empty()) model.id = NameOf(config.model);
  model.created = static_cast<int64_t>(MillisecondsSince1970() / 1000);
  model.context_length = static_cast<uint32_t>(shape.context_length);
  model.default_max_tokens = config.default_max_tokens;
  model.max_prompt_tokens = config.max_prompt_tokens;
  if (config.max_tokens_limit > 0) {
    model.default_max_tokens = std::min(config.default_max_tokens, config.max_tokens_limit);
    model.limits.max_tokens = static_cast<int32_t>(std::min<uint32_t>(config.max_tokens_limit, INT32_MAX));
  }
  model.limits.n_layers = shape.n_layers;
  model.limits.exit_layers = plan.exit_layers;
  if (!config.exits.empty()) {
    ASSIGN_OR_RETURN(const ExitHeadsInfo exits, LoadExitHeadsInfo(config.exits, shape.n_layers));
    RETURN_IF_ERROR(FittedTo(exits, config.exits, source.ContentHash()));  // before every worker fails
    RETURN_IF_ERROR(AddCertificates(config, source, &model.limits));
    for (const ExitMeasureInfo& info : kExitMeasures) {
      if (exits.Has(info.needs)) model.limits.artefacts.insert(info.needs);
    }
  }
  model.limits.default_exit = DefaultExit(config);
  model.limits.vocab_size = shape.vocab_size;
  ASSIGN_OR_RETURN(model.tokenizer, text::OpenTokenizer(source));
  for (const auto* warnings : {&shape.warnings, &model.tokenizer->warnings()}) {
    for (const std::string& warning : *warnings) spdlog::warn("model {}: {}", model.id, warning);
  }
  ASSIGN_OR_RETURN(model.chat, LoadChat(*model.tokenizer, config.chat_template));
  if (model.chat.is_broken)
    spdlog::warn("chats are refused, completions are served: {}; --chat-template gives another one",
                 model.chat.problem);
  return model;
}

// Evidence that cannot be read or written is an error at the start, and not only when an alarm must be
// stored.
Result<AuditOptions> MakeAuditOptions(const Config& config) {
  AuditOptions options{config.audit_share, config.audit_level, config.audit_fallback};
  if (config.audit_state.empty()) return options;
  options.state_file = config.audit_state;
  auto kept = certify::LoadEvidence(options.state_file);
  if (!kept) return Annotate(kept.error(), "--audit-state");
  options.kept = std::move(*kept);
  const Status kept_there = WriteFile(options.state_file, certify::ToJson(options.kept) + "\n");
  if (!kept_there) return Annotate(kept_there.error(), "--audit-state");
  return options;
}

MpirunOptions MakeMpirunOptions(const Config& config, const std::string& worker) {
  MpirunOptions options;
  options.mpirun = config.mpirun;
  options.worker_binary = worker;
  options.hostfile = config.hostfile;
  options.extra_args = config.mpirun_args;
  options.as_root = geteuid() == 0;
  options.stages = config.stages;
  options.control_host = config.control_host;
  if (options.control_host.empty())
    options.control_host = config.hostfile.empty() ? "127.0.0.1" : OwnHostName();
  return options;
}

// Returns the host where workers connect. It is a local one if all workers are on this machine.
Result<std::string> ControlListenHost(const Config& config) {
  if (config.control_host.empty()) return config.hostfile.empty() ? "127.0.0.1" : "0.0.0.0";
  auto found = transport::ListenAddresses(config.control_host, kControlHostLookUp);
  if (!found) return Annotate(found.error(), "--control-host");
  if (config.hostfile.empty()) return found->front().to_string();
  return found->front().is_v6() ? "::" : "0.0.0.0";  // with IPv4
}

// The objects that live as long as the process, in the order of their construction.
struct Server {
  boost::asio::io_context io{1};
  prometheus::Registry registry;
  HttpMetrics http_metrics{&registry};
  std::unique_ptr<RequestMetrics> request_metrics;
  std::unique_ptr<StageMetrics> stage_metrics;
  std::unique_ptr<MpirunLauncher> launcher;
  std::unique_ptr<Driver> driver;
  ApiKeys keys;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<HttpServer> http;
};

HttpServerOptions MakeHttpOptions(const Config& config, Server* server) {
  HttpServerOptions http;
  http.host = config.host;
  http.port = config.port;
  http.max_header_bytes = config.max_header_bytes;
  http.max_body_bytes = config.max_body_bytes;
  http.max_connections = config.max_connections;
  http.idle_timeout = FromSeconds(config.http_idle_timeout_s);
  http.header_timeout = FromSeconds(config.http_header_timeout_s);
  http.body_timeout = FromSeconds(config.http_body_timeout_s);
  http.write_timeout = FromSeconds(config.http_write_timeout_s);
  http.cors = CorsPolicy(config.cors_origins);
  http.admit = [server](HttpRequest* request) { return server->gateway->Admit(request); };
  http.on_refused = [server](int status) { server->http_metrics.Refused(status); };
  return http;
}

// Reads the API keys. If the file is wrong, the previous keys stay valid.
Status ReadKeys(const Config& config, Server* server) {
  if (config.api_keys.empty()) return OkStatus();
  ASSIGN_OR_RETURN(server->keys, ApiKeys::Read(config.api_keys));
  spdlog::info("{} API keys of '{}'", server->keys.size(), config.api_keys);
  return OkStatus();
}

Status ReadCertificate(const Config& config, Server* server) {
  if (config.tls_certificate.empty()) return OkStatus();
  ASSIGN_OR_RETURN(auto tls, LoadTlsContext(config.tls_certificate, config.tls_key));
  server->http->SetTls(std::move(tls));
  return OkStatus();
}

Status Open(Config config, Server* server) {
  config.model = fs::absolute(config.model).string();
  for (std::string* directory : {&config.exits, &config.adapter.directory}) {
    if (!directory->empty()) *directory = fs::absolute(*directory).string();
  }
  ASSIGN_OR_RETURN(const std::string worker, WorkerBinary(config));
  ASSIGN_OR_RETURN(const std::string secret, Secret(config));
  ASSIGN_OR_RETURN(const auto source, ModelSource::Open(config.model, config.adapter, config.overrides));
  ASSIGN_OR_RETURN(const to_worker::Plan plan, MakePlan(config, source->config()));
  ASSIGN_OR_RETURN(ServedModel model, MakeServedModel(config, *source, plan));
  CoreConfig core = MakeCoreConfig(config, source->config(), plan, MillisecondsSince1970());
  core.canary_token = std::max(0, model.tokenizer->bos());
  spdlog::info("model={} layers={} context={} stages={} replicas={} threads={}", model.id,
               source->config().n_layers, core.context_length, core.stages, core.pipelines, plan.threads);

  RegisterInfo(&server->registry, model.id);
  server->request_metrics = std::make_unique<RequestMetrics>(&server->registry, plan);
  server->stage_metrics = std::make_unique<StageMetrics>(&server->registry, core.pipelines, plan);
  server->launcher = std::make_unique<MpirunLauncher>(&server->io, MakeMpirunOptions(config, worker), secret);
  transport::ControlServerOptions control;
  ASSIGN_OR_RETURN(control.host, ControlListenHost(config));
  control.port = config.control_port;
  control.secret = secret;
  ASSIGN_OR_RETURN(server->driver, Driver::Make(core, control,
                                                {.io = &server->io,
                                                 .launcher = server->launcher.get(),
                                                 .request_metrics = server->request_metrics.get(),
                                                 .stage_metrics = server->stage_metrics.get()}));
  server->launcher->SetControlPort(server->driver->control_port());
  ASSIGN_OR_RETURN(const AuditOptions audits, MakeAuditOptions(config));
  server->gateway = std::make_unique<Gateway>(
      std::move(model),
      Gateway::Parts{.driver = server->driver.get(),
                     .registry = &server->registry,
                     .request_metrics = server->request_metrics.get(),
                     .http_metrics = &server->http_metrics,
                     .stage_metrics = server->stage_metrics.get(),
                     .audits = audits,
                     .keys = &server->keys,
                     .stream_comment_interval = FromSeconds(config.stream_comment_interval_s),
                     .max_requests = config.max_requests_in_flight});
  RETURN_IF_ERROR(ReadKeys(config, server));
  auto http = HttpServer::Listen(&server->io, MakeHttpOptions(config, server),
                                 [server](auto exchange) { server->gateway->Handle(std::move(exchange)); });
  if (!http) return Annotate(http.error(), "--host");
  server->http = std::move(*http);
  return ReadCertificate(config, server);
}

// The first SIGTERM or SIGINT drains. The second exits at once, and every child is also killed.
void WaitSignal(boost::asio::signal_set* signals, Server* server) {
  signals->async_wait([signals, server](boost::system::error_code error, int signal) {
    if (error) return;
    if (server->driver->core().draining()) return server->io.stop();
    spdlog::info("signal {}: finishing what runs", signal);
    server->driver->Drain([server] { server->io.stop(); });
    WaitSignal(signals, server);
  });
}

// Reads keys and certificates again at SIGHUP.
void WaitReload(boost::asio::signal_set* signals, const Config& config, Server* server) {
  signals->async_wait([signals, &config, server](boost::system::error_code error, int) {
    if (error) return;
    spdlog::info("SIGHUP: reading keys and certificate again");
    for (const Status& status : {ReadKeys(config, server), ReadCertificate(config, server)}) {
      if (!status) spdlog::error("kept as it was: {}", status.error().message);
    }
    WaitReload(signals, config, server);
  });
}

int Main(int argc, const char* const* argv) {
  const ParsedConfig parsed = ParseConfig(argc, argv);
  if (!parsed.config) {
    std::fputs(parsed.text.c_str(), parsed.exit_code == 0 ? stdout : stderr);
    return parsed.exit_code;
  }
  InitLogging("coordinator", parsed.config->log_level);
  ::signal(SIGPIPE, SIG_IGN);
  Server server;
  if (const Status status = Open(*parsed.config, &server); !status) {
    spdlog::error("{}", status.error().message);
    return 1;
  }
  boost::asio::signal_set signals(server.io, SIGINT, SIGTERM);
  WaitSignal(&signals, &server);
  boost::asio::signal_set reload(server.io);
  if (!parsed.config->api_keys.empty() || !parsed.config->tls_certificate.empty()) {
    reload.add(SIGHUP);
    WaitReload(&reload, *parsed.config, &server);
  }
  spdlog::info("listening on {}:{}{}", transport::BracketedHost(parsed.config->host), server.http->port(),
               parsed.config->tls_certificate.empty() ? "" : " (TLS)");
  server.driver->Start();
  server.io.run();
  spdlog::info("end");
  return 0;
}

}  // namespace
}  // namespace exeunt::coordinator

int main(int argc, char** argv) { return exeunt::coordinator::Main(argc, argv); }
