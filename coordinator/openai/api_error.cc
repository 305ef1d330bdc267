#include "coordinator/openai/api_error.h"

#include <boost/json.hpp>

#include "coordinator/openai/json_text.h"

namespace exeunt {
namespace {

// Clients try again after so long: a restart of a small model takes a few seconds.
constexpr int kRetryAfterSeconds = 2;

ApiError Unavailable503(const std::string& message, const char* code) {
  return {.status = 503,
          .message = message,
          .type = "service_unavailable",
          .param = "",
          .code = code,
          .retry_after_s = kRetryAfterSeconds};
}

}  // namespace

ApiError BadRequest(std::string param, std::string message, std::string code) {
  ApiError error;
  error.message = std::move(message);
  error.param = std::move(param);
  error.code = std::move(code);
  return error;
}

ApiError ApiErrorOf(const Error& error, const std::string& param) {
  if (error.code == ErrorCode::kInternal) {
    return {.status = 500, .message = error.message, .type = "server_error", .param = param, .code = ""};
  }
  return BadRequest(param, error.message);
}

ApiError ApiErrorOf(FailureKind kind, const std::string& message) {
  switch (kind) {
    case FailureKind::kContextLength:
      return BadRequest("", message, "context_length_exceeded");
    case FailureKind::kTooLarge:
      return BadRequest("max_tokens", message, "kv_budget_exceeded");
    case FailureKind::kQueueFull:
      return {.status = 429,
              .message = message,
              .type = "rate_limit_error",
              .param = "",
              .code = "queue_full",
              .retry_after_s = kRetryAfterSeconds};
    case FailureKind::kNoPipeline:
      return Unavailable503(message, "no_pipeline_ready");
    case FailureKind::kPipelineRestarted:
      return Unavailable503(message, "pipeline_restarted");
    case FailureKind::kQueueTimeout:
      return Unavailable503(message, "queue_timeout");
    case FailureKind::kShuttingDown:
      return Unavailable503(message, "shutting_down");
  }
  return {.status = 500, .message = message, .type = "server_error", .param = "", .code = ""};
}

std::string ErrorBody(const ApiError& error) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
  };
  return WriteJson({{"error",
                     {{"message", error.message},
                      {"type", error.type},
                      {"param", or_null(error.param)},
                      {"code", or_null(error.code)}}}});
}

}  // namespace exeunt
