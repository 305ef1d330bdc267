#include "coordinator/gateway/gateway.h"

#include <fmt/format.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <cstring>

#include "coordinator/calls/body_writer.h"
#include "coordinator/calls/call.h"
#include "coordinator/calls/event_writer.h"
#include "coordinator/gateway/cluster_view.h"
#include "coordinator/gateway/header_values.h"
#include "coordinator/gateway/http_answer.h"
#include "coordinator/gateway/http_text.h"
#include "coordinator/gateway/metered_exchange.h"
#include "coordinator/gateway/token_routes.h"
#include "coordinator/openai/json_text.h"
#include "coordinator/openai/openapi.h"
#include "transport/control_auth.h"

namespace exeunt::coordinator {
namespace {

namespace json = boost::json;

constexpr std::string_view kModelPath = "/v1/models/";
constexpr const char* kInvalidKey = "invalid_api_key";
constexpr const char* kUnknownRoute = "unknown";  // name in metrics

int64_t SecondsSince1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

uint64_t RandomSeed() {
  uint64_t seed = 0;
  std::memcpy(&seed, transport::NewControlNonce().data(), sizeof(seed));
  return seed;
}

// Returns the body of a POST. It must be JSON, because a browser can be made to send other types.
ApiResult<json::object> JsonBody(const HttpRequest& request) {
  if (const std::string& type = request.content_type; !type.empty() && !IsJsonType(type)) {
    return ErrorOfStatus(415,
                         fmt::format("Content-Type is '{}', it must be application/json", Excerpt(type)));
  }
  const std::string& encoding = request.content_encoding;
  if (!encoding.empty() && !EqualsInAnyCase(encoding, "identity")) {
    return ErrorOfStatus(415,
                         fmt::format("Content-Encoding is '{}', the body must be as it is, not compressed",
                                     Excerpt(encoding)));
  }
  auto body = ParseRequestJson(request.body);
  if (!body) return ApiErrorOf(body.error(), "");
  return std::move(*body);
}

json::object CertificateView(const certify::Certificate& c) {
  return {{"name", c.name},
          {"family", c.family.empty() ? json::value(nullptr) : json::value(c.family)},
          {"consistency", c.consistency == certify::Consistency::kRisk ? "risk" : "textual"},
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
  for (const certify::Certificate& c : model.limits.certificates) certificates.push_back(CertificateView(c));
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "exeunt"},
          {"max_model_len", model.context_length},
          {"exit_layers", json::value_from(model.limits.exit_layers)},
          {"certificates", std::move(certificates)},
          {"n_layers", model.limits.n_layers}};
}

// Returns the path without the slash at its end, because other servers redirect such paths.
std::string_view WithoutLastSlash(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path;
}

}  // namespace

const std::vector<Gateway::Route>& Gateway::Routes() {
  static const std::vector<Route> routes = {
      {"/v1/completions", "POST", &Gateway::Completions},
      {"/v1/chat/completions", "POST", &Gateway::Chat},
      {"/v1/models", "GET", &Gateway::Models},
      {kModelPath.data(), "GET", &Gateway::Model},
      {"/v1/cluster", "GET", &Gateway::Cluster},
      {"/v1/targets", "GET", &Gateway::Targets, /*open=*/true},
      {"/tokenize", "POST", &Gateway::Tokenize},
      {"/detokenize", "POST", &Gateway::Detokenize},
      {"/healthz", "GET", &Gateway::Healthz, /*open=*/true},
      {"/readyz", "GET", &Gateway::Readyz, /*open=*/true},
      {"/metrics", "GET", &Gateway::Metrics, /*open=*/true},
      {"/openapi.json", "GET", &Gateway::OpenApi, /*open=*/true},
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

const Gateway::Route* Gateway::RouteOf(std::string_view path) {
  path = WithoutLastSlash(path);
  for (const Route& route : Routes()) {
    const std::string_view known = route.path;
    if (known.ends_with('/') ? path.starts_with(known) : path == known) return &route;
  }
  return nullptr;
}

bool Gateway::Route::Takes(std::string_view asked) const {
  return asked == method || (asked == "HEAD" && std::string_view(method) == "GET");
}

std::optional<HttpResponse> Gateway::Admit(HttpRequest* request) {
  const Route* route = RouteOf(request->path);
  if (route != nullptr && route->open) return std::nullopt;
  HttpResponse refusal;
  const std::string* name = nullptr;
  if (request->crowded) {
    refusal = ErrorResponse(
        ErrorOfStatus(503, "the server has as many connections as it may have", "too_many_connections"));
  } else if (parts_.keys == nullptr || parts_.keys->empty()) {
    return std::nullopt;
  } else if (name = parts_.keys->Find(BearerKey(request->authorization)); name != nullptr) {
    request->client = *name;
    return std::nullopt;
  } else {
    refusal =
        ErrorResponse(request->authorization.empty()
                          ? ErrorOfStatus(401, "an API key is needed: Authorization: Bearer KEY", kInvalidKey)
                          : ErrorOfStatus(401, "the API key is not known here", kInvalidKey));
    refusal.headers.emplace_back("WWW-Authenticate", "Bearer");
  }
  parts_.http_metrics->Of(route == nullptr ? kUnknownRoute : route->path, request->method)
      ->Refused(refusal.status);
  return refusal;
}

void Gateway::Handle(std::shared_ptr<HttpExchange> exchange) {
  const HttpRequest& request = exchange->request();
  const Route* route = RouteOf(request.path);
  const bool works = route != nullptr && request.method == "POST";  // its answer may take long
  const std::shared_ptr<void> place = works ? TakePlace() : nullptr;
  exchange =
      Metered(exchange,
              parts_.http_metrics->Of(route == nullptr ? kUnknownRoute : route->path, request.method), place);
  if (request.method == "OPTIONS" && request.path == "*")  // for the server as a whole
    return exchange->Respond({.status = 204, .headers = {{"Allow", "GET, HEAD, POST"}}});
  if (route == nullptr) {
    return Refuse(
        exchange.get(),
        ErrorOfStatus(404, fmt::format("there is no {} {}", Excerpt(request.method), Excerpt(request.path)),
                      "unknown_url"));
  }
  if (!route->Takes(request.method)) {
    const std::string allowed = route->Takes("HEAD") ? "GET, HEAD" : route->method;
    HttpResponse response = ErrorResponse(ErrorOfStatus(
        405, fmt::format("{} is for {}, not {}", route->path, allowed, Excerpt(request.method))));
    response.headers.emplace_back("Allow", allowed);
    return exchange->Respond(std::move(response));
  }
  if (works && place == nullptr) {
    return Refuse(
        exchange.get(),
        ErrorOfStatus(429, fmt::format("{} requests are in flight, no more may be", parts_.max_requests),
                      "too_many_requests"));
  }
  (this->*route->handler)(exchange);
}

std::shared_ptr<void> Gateway::TakePlace() {
  if (parts_.max_requests > 0 && *places_taken_ >= parts_.max_requests) return nullptr;
  ++*places_taken_;
  return {places_taken_.get(), [taken = places_taken_](int*) { --*taken; }};
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
  auto call = PrepareCall(model_,
                          {.chat = chat,
                           .client = exchange->request().client,
                           .id = RandomId(""),
                           .created = SecondsSince1970(),
                           .seed = RandomSeed()},
                          *body);
  if (!call) return Refuse(exchange.get(), call.error());
  if (auditor_->FallsBack(call->asked.certificate)) call->RunInFull();
  parts_.request_metrics->Asked(call->asked.n);
  const CallContext context{.driver = parts_.driver, .model = &model_, .auditor = auditor_.get()};
  auto writer = WriterOf(*call, std::make_unique<HttpAnswer>(exchange));
  const auto started = Call::Start(context, std::move(*call), std::move(writer));
  exchange->on_gone = [weak = std::weak_ptr(started)] {
    if (const auto live = weak.lock()) live->Abandon();
  };
}

std::unique_ptr<AnswerWriter> Gateway::WriterOf(const PreparedCall& call,
                                                std::unique_ptr<AnswerSink> sink) const {
  if (!call.asked.stream) return std::make_unique<BodyWriter>(call.shape, std::move(sink));
  const Duration comments = call.asked.comment_interval.value_or(parts_.stream_comment_interval);
  return std::make_unique<EventWriter>(call.shape, std::move(sink), parts_.driver->io(), comments);
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
  const std::string name(WithoutLastSlash(exchange->request().path).substr(kModelPath.size()));
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

// Prometheus' HTTP service discovery. It returns this coordinator under the name in the request.
void Gateway::Targets(const std::shared_ptr<HttpExchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (request.host.empty()) return Refuse(exchange.get(), BadRequest("", "the request has no Host header"));
  json::object labels{{"__meta_exeunt_model", model_.id}};
  if (request.encrypted) labels["__scheme__"] = "https";
  const json::array targets{json::object{{"targets", json::array{request.host}}, {"labels", labels}}};
  exchange->Respond({.body = WriteJson(targets)});
}

}  // namespace exeunt::coordinator
