// Gateway: the routes of the REST API over a Driver.
#pragma once

#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/driver/driver.h"
#include "coordinator/gateway/auditor.h"
#include "coordinator/gateway/http.h"
#include "coordinator/gateway/served_model.h"
#include "coordinator/metrics/http_metrics.h"

namespace exeunt {

// One thread: the driver's. All that is handed in outlives it; it outlives the HTTP server that calls it.
class Gateway {
 public:
  struct Parts {
    Driver* driver = nullptr;
    prometheus::Registry* registry = nullptr;
    RequestMetrics* request_metrics = nullptr;
    HttpMetrics* http_metrics = nullptr;
    StageMetrics* stage_metrics = nullptr;
    AuditOptions audits;
  };
  Gateway(ServedModel model, const Parts& parts);

  // Answers, now or later.
  void Handle(std::shared_ptr<HttpExchange> exchange);
  // Method and path of every route.
  static std::vector<std::pair<std::string, std::string>> Endpoints();

 private:
  using Handler = void (Gateway::*)(const std::shared_ptr<HttpExchange>&);
  struct Route {
    const char* path;  // with a '/' at its end: what follows is an argument
    const char* method;
    Handler handler;
  };
  static const std::vector<Route>& Routes();

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

  void Refuse(HttpExchange* exchange, const ApiError& error);

  const ServedModel model_;
  const Parts parts_;
  const std::shared_ptr<Auditor> auditor_;
};

}  // namespace exeunt
