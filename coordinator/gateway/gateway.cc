#include "coordinator/gateway/gateway.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <boost/json.hpp>
#include <charconv>

#include "coordinator/gateway/cluster_view.h"
#include "coordinator/gateway/generation.h"
#include "coordinator/gateway/metered_exchange.h"
#include "coordinator/gateway/token_routes.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/openai/openapi.h"

namespace exeunt {
namespace {

namespace json = boost::json;

constexpr std::string_view kModelPath = "/v1/models/";

// The body of a POST: JSON, whatever else a browser could be made to send.
ApiResult<json::object> JsonBody(const HttpRequest& request) {
  const std::string& type = request.content_type;
  if (!type.empty() && type.find("json") == std::string::npos) {
    return ErrorOfStatus(415, fmt::format("Content-Type is '{}', it must be application/json", type));
  }
  auto body = ParseRequestJson(request.body);
  if (!body) return ApiErrorOf(body.error(), "");
  return std::move(*body);
}

ApiResult<std::vector<std::vector<int32_t>>> EncodeAll(const ServedModel& model,
                                                       const GenerationRequest& request) {
  std::vector<std::vector<int32_t>> prompts;
  if (request.chat) {
    auto tokens = EncodeChat(model, request.messages);
    if (!tokens) return tokens.error();
    prompts.push_back(std::move(*tokens));
  }
  for (const PromptInput& prompt : request.prompts) {
    auto tokens = EncodePrompt(model, prompt);
    if (!tokens) return tokens.error();
    prompts.push_back(std::move(*tokens));
  }
  return prompts;
}

json::object CertificateView(const Certificate& c) {
  return {{"name", c.name},
          {"family", c.family.empty() ? json::value(nullptr) : json::value(c.family)},
          {"consistency", c.consistency == Consistency::kRisk ? "risk" : "textual"},
          {"loss", c.loss},
          {"delta", c.delta},
          {"epsilon", c.epsilon},
          {"prompts", c.n},
          {"measure", ExitMeasureName(c.setting.measure)},
          {"threshold", c.setting.threshold},
          {"mean_loss", c.mean_loss},
          {"mean_layers", c.mean_layers},
          {"mean_cost", c.mean_cost},
          {"temperature", c.temperature},
          {"max_tokens", c.max_tokens}};
}

json::object ModelView(const ServedModel& model) {
  json::array certificates;
  for (const Certificate& c : model.limits.certificates) certificates.push_back(CertificateView(c));
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "exeunt"},
          {"max_model_len", model.context_length},
          {"exit_layers", json::value_from(model.limits.exit_layers)},
          {"certificates", std::move(certificates)},
          {"n_layers", model.limits.n_layers}};
}

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char value = 0;
    const char* digits = text.data() + i + 1;
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
    out += escape ? static_cast<char>(value) : text[i];
    if (escape) i += 2;
  }
  return out;
}

}  // namespace

const std::vector<Gateway::Route>& Gateway::Routes() {
  static const std::vector<Route> routes = {
      {"/v1/completions", "POST", &Gateway::Completions},
      {"/v1/chat/completions", "POST", &Gateway::Chat},
      {"/v1/models", "GET", &Gateway::Models},
      {kModelPath.data(), "GET", &Gateway::Model},
      {"/v1/cluster", "GET", &Gateway::Cluster},
      {"/v1/targets", "GET", &Gateway::Targets},
      {"/tokenize", "POST", &Gateway::Tokenize},
      {"/detokenize", "POST", &Gateway::Detokenize},
      {"/healthz", "GET", &Gateway::Healthz},
      {"/readyz", "GET", &Gateway::Readyz},
      {"/metrics", "GET", &Gateway::Metrics},
      {"/openapi.json", "GET", &Gateway::OpenApi},
  };
  return routes;
}

std::vector<std::pair<std::string, std::string>> Gateway::Endpoints() {
  std::vector<std::pair<std::string, std::string>> endpoints;
  for (const Route& route : Routes()) endpoints.emplace_back(route.method, route.path);
  return endpoints;
}

Gateway::Gateway(ServedModel model, const Parts& parts)
    : model_(std::move(model)),
      parts_(parts),
      auditor_(std::make_shared<Auditor>(parts.audits, model_.limits.certificates, model_.tokenizer,
                                         parts.driver, parts.registry)) {}

void Gateway::Handle(std::shared_ptr<HttpExchange> exchange) {
  const HttpRequest& request = exchange->request();
  for (const Route& route : Routes()) {
    const std::string_view path = route.path;
    const bool takes_argument = path.ends_with('/');
    if (takes_argument ? !request.path.starts_with(path) : request.path != path) continue;
    exchange = Metered(exchange, parts_.http_metrics->Of(route.path, request.method));
    if (request.method == route.method) return (this->*route.handler)(exchange);
    HttpResponse response = ErrorResponse(
        ErrorOfStatus(405, fmt::format("{} is for {}, not {}", route.path, route.method, request.method)));
    response.headers.emplace_back("Allow", route.method);
    return exchange->Respond(std::move(response));
  }
  exchange = Metered(exchange, parts_.http_metrics->Of("unknown", request.method));
  Refuse(exchange.get(),
         ErrorOfStatus(404, fmt::format("there is no {} {}", request.method, request.path), "unknown_url"));
}

void Gateway::Refuse(HttpExchange* exchange, const ApiError& error) {
  exchange->Respond(ErrorResponse(error));
}

void Gateway::Completions(const std::shared_ptr<HttpExchange>& exchange) {
  Generate(exchange, /*chat=*/false);
}

void Gateway::Chat(const std::shared_ptr<HttpExchange>& exchange) { Generate(exchange, /*chat=*/true); }

void Gateway::Generate(const std::shared_ptr<HttpExchange>& exchange, bool chat) {
  const auto body = JsonBody(exchange->request());
  if (!body) return Refuse(exchange.get(), body.error());
  auto request = chat ? ParseChatRequest(*body, model_.limits) : ParseCompletionRequest(*body, model_.limits);
  if (!request) return Refuse(exchange.get(), request.error());
  if (const auto known = CheckModelName(model_, request->model); !known) {
    return Refuse(exchange.get(), known.error());
  }
  if (auditor_->FallsBack(request->certificate)) {  // sampling and limits stay the certificate's
    request->certificate.clear();
    request->exit = {};
  }
  auto prompts = EncodeAll(model_, *request);
  if (!prompts) return Refuse(exchange.get(), prompts.error());
  parts_.request_metrics->Asked(request->n);
  const GenerationContext context{.driver = parts_.driver, .model = &model_, .auditor = auditor_.get()};
  StartGeneration(context, exchange, *request, std::make_shared<const std::string>(WriteJson(*body)),
                  std::move(*prompts));
}

void Gateway::Tokenize(const std::shared_ptr<HttpExchange>& exchange) {
  const auto body = JsonBody(exchange->request());
  if (!body) return Refuse(exchange.get(), body.error());
  const auto reply = TokenizeReply(model_, *body);
  if (!reply) return Refuse(exchange.get(), reply.error());
  exchange->Respond({.body = WriteJson(*reply)});
}

void Gateway::Detokenize(const std::shared_ptr<HttpExchange>& exchange) {
  const auto body = JsonBody(exchange->request());
  if (!body) return Refuse(exchange.get(), body.error());
  const auto reply = DetokenizeReply(model_, *body);
  if (!reply) return Refuse(exchange.get(), reply.error());
  exchange->Respond({.body = WriteJson(*reply)});
}

void Gateway::Models(const std::shared_ptr<HttpExchange>& exchange) {
  const json::object list{{"object", "list"}, {"data", json::array{ModelView(model_)}}};
  exchange->Respond({.body = WriteJson(list)});
}

void Gateway::Model(const std::shared_ptr<HttpExchange>& exchange) {
  const std::string name =
      PercentDecoded(std::string_view(exchange->request().path).substr(kModelPath.size()));
  if (const auto known = CheckModelName(model_, name); !known) return Refuse(exchange.get(), known.error());
  exchange->Respond({.body = WriteJson(ModelView(model_))});
}

void Gateway::Healthz(const std::shared_ptr<HttpExchange>& exchange) {
  exchange->Respond({.body = R"({"status":"ok"})"});
}

void Gateway::Readyz(const std::shared_ptr<HttpExchange>& exchange) {
  if (parts_.driver->core().ready()) return exchange->Respond({.body = R"({"status":"ready"})"});
  std::string states;
  for (const Replica& replica : parts_.driver->core().replicas()) {
    const Pipeline& pipeline = replica.pipeline;
    float loaded = 1.0F;
    for (const RankHealth& rank : pipeline.ranks()) loaded = std::min(loaded, rank.load_fraction);
    states += fmt::format("; pipeline {} is {}", pipeline.index(), PipelineStateName(pipeline.state()));
    if (pipeline.state() == PipelineState::kLoading) states += fmt::format(" ({:.0f} %)", 100 * loaded);
    if (!pipeline.last_error().empty()) states += fmt::format(", last error: {}", pipeline.last_error());
  }
  const bool draining = parts_.driver->core().draining();
  Refuse(exchange.get(),
         ApiErrorOf(draining ? FailureKind::kShuttingDown : FailureKind::kNoPipeline,
                    (draining ? "the server is shutting down" : "no pipeline is ready") + states));
}

void Gateway::Metrics(const std::shared_ptr<HttpExchange>& exchange) {
  parts_.stage_metrics->Update(MonotonicNow(), parts_.driver->core());
  exchange->Respond({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = prometheus::TextSerializer().Serialize(parts_.registry->Collect())});
}

void Gateway::OpenApi(const std::shared_ptr<HttpExchange>& exchange) {
  exchange->Respond({.body = std::string(kOpenApiDocument)});
}

void Gateway::Cluster(const std::shared_ptr<HttpExchange>& exchange) {
  json::object view = ClusterView(MonotonicNow(), parts_.driver->core());
  view["model"] = model_.id;
  view["n_layers"] = model_.limits.n_layers;
  view["totals"] = TotalsView(parts_.request_metrics->ClientTotals());
  exchange->Respond({.body = WriteJson(view)});
}

// Prometheus' HTTP service discovery: this coordinator, under the name that it was asked by.
void Gateway::Targets(const std::shared_ptr<HttpExchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (request.host.empty()) return Refuse(exchange.get(), BadRequest("", "the request has no Host header"));
  const json::object labels{{"__meta_exeunt_model", model_.id}};
  const json::array targets{json::object{{"targets", json::array{request.host}}, {"labels", labels}}};
  exchange->Respond({.body = WriteJson(targets)});
}

}  // namespace exeunt
