#include "coordinator/gateway/http_answer.h"

namespace exeunt::coordinator {

void HttpAnswer::Begin() {
  exchange_->StartStream({.status = 200,
                          .content_type = "text/event-stream; charset=utf-8",
                          .body = "",
                          .headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}}});
}

HttpResponse ErrorResponse(const ApiError& error) {
  HttpResponse response{.status = error.status, .body = ErrorBody(error)};
  if (error.retry_after_s > 0)
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  if (error.no_retry) response.headers.emplace_back("x-should-retry", "false");
  return response;
}

}  // namespace exeunt::coordinator
