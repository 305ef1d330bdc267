// An exchange whose answer is counted by HttpMetrics.
#pragma once

#include <memory>

#include "coordinator/gateway/http.h"
#include "coordinator/metrics/http_metrics.h"

namespace exeunt::coordinator {

// To be handed to the handler in the place of `inner`. The route's metrics outlive it. `place` is given back
// when the answer is complete, or the client has gone.
std::shared_ptr<HttpExchange> Metered(std::shared_ptr<HttpExchange> inner, HttpMetrics::Route* metrics,
                                      std::shared_ptr<void> place);

}  // namespace exeunt::coordinator
