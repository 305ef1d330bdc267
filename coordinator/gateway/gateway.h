// Gateway has the routes of the REST API over a Driver.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/calls/answer_writer.h"
#include "coordinator/calls/auditor.h"
#include "coordinator/calls/prepare_call.h"
#include "coordinator/calls/served_model.h"
#include "coordinator/driver/driver.h"
#include "coordinator/gateway/api_keys.h"
#include "coordinator/gateway/http.h"
#include "coordinator/metrics/http_metrics.h"

namespace exeunt::coordinator {

// One thread: the driver's. All arguments must outlive the gateway. It must outlive the HTTP server that
// calls it.
class Gateway {
 public:
  struct Parts {
    Driver* driver = nullptr;
    prometheus::Registry* registry = nullptr;
    RequestMetrics* request_metrics = nullptr;
    HttpMetrics* http_metrics = nullptr;
    StageMetrics* stage_metrics = nullptr;
    AuditOptions audits;
    const ApiKeys* keys = nullptr;        // null or empty: nobody needs a key
    Duration stream_comment_interval{0};  // for silent streams; 0: no comments
    int max_requests = 0;                 // limit of POST requests whose answers are not complete; 0: none
  };
  Gateway(ServedModel model, const Parts& parts);

  // Decides by the header alone. A request with a wrong key or on a crowded connection is refused, unless its
  // route is open to everybody.
  std::optional<HttpResponse> Admit(HttpRequest* request);
  // Answers at once or later.
  void Handle(std::shared_ptr<HttpExchange> exchange);
  // Returns method and path of every route.
  static std::vector<std::pair<std::string, std::string>> Endpoints();

 private:
  using Handler = void (Gateway::*)(const std::shared_ptr<HttpExchange>&);
  struct Route {
    const char* path;  // a path with '/' at its end takes an argument behind it
    const char* method;
    Handler handler;
    bool open = false;                          // whether everybody may use it at any time
    bool Takes(std::string_view method) const;  // GET also takes HEAD
  };
  static const std::vector<Route>& Routes();
  static const Route* RouteOf(std::string_view path);

  void Completions(const std::shared_ptr<HttpExchange>& exchange);
  void Chat(const std::shared_ptr<HttpExchange>& exchange);
  void Generate(const std::shared_ptr<HttpExchange>& exchange, bool chat);
  void Tokenize(const std::shared_ptr<HttpExchange>& exchange);
  void Detokenize(const std::shared_ptr<HttpExchange>& exchange);
  void Models(const std::shared_ptr<HttpExchange>& exchange);
  void Model(const std::shared_ptr<HttpExchange>& exchange);
  void Healthz(const std::shared_ptr<HttpExchange>& exchange);
  void Readyz(const std::shared_ptr<HttpExchange>& exchange);
  void Metrics(const std::shared_ptr<HttpExchange>& exchange);
  void OpenApi(const std::shared_ptr<HttpExchange>& exchange);
  void Cluster(const std::shared_ptr<HttpExchange>& exchange);
  void Targets(const std::shared_ptr<HttpExchange>& exchange);

  std::unique_ptr<AnswerWriter> WriterOf(const PreparedCall& call, std::unique_ptr<AnswerSink> sink) const;
  void Refuse(HttpExchange* exchange, const ApiError& error);
  // Takes a place of the in-flight limit, which is held as long as the result. Returns null if there is none
  // left.
  std::shared_ptr<void> TakePlace();

  const ServedModel model_;
  const Parts parts_;
  const std::shared_ptr<Auditor> auditor_;
  const std::shared_ptr<int> places_taken_ = std::make_shared<int>(0);
};

}  // namespace exeunt::coordinator
