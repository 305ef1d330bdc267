// Wraps an exchange so that HttpMetrics counts its answer.
#pragma once

#include <memory>

#include "coordinator/gateway/http.h"
#include "coordinator/metrics/http_metrics.h"

namespace exeunt::coordinator {

// Returns an exchange to give to the handler instead of `inner`. The route's metrics must outlive it. `place`
// is freed when the answer is complete or the client has gone.
std::shared_ptr<HttpExchange> Metered(std::shared_ptr<HttpExchange> inner, HttpMetrics::Route* metrics,
                                      std::shared_ptr<void> place);

}  // namespace exeunt::coordinator
