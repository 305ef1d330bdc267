#include "coordinator/openai/api_error.h"

#include <boost/json.hpp>

#include "coordinator/openai/json_text.h"

namespace exeunt::coordinator {
namespace {

// The time after which clients try again. A restart of a small model takes a few seconds.
constexpr int kRetryAfterSeconds = 2;

const char* TypeOfStatus(int status) {
  switch (status) {
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "service_unavailable";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

}  // namespace

ApiError ErrorOfStatus(int status, std::string message, std::string code) {
  ApiError error;
  error.status = status;
  error.type = TypeOfStatus(status);
  error.message = std::move(message);
  error.code = std::move(code);
  if (status == 429 || status == 503) error.retry_after_s = kRetryAfterSeconds;
  return error;
}

ApiError BadRequest(std::string param, std::string message, std::string code) {
  ApiError error = ErrorOfStatus(400, std::move(message), std::move(code));
  error.param = std::move(param);
  return error;
}

ApiError ApiErrorOf(const Error& error, const std::string& param) {
  if (error.code == ErrorCode::kInternal) {
    ApiError failed = ErrorOfStatus(500, error.message);
    failed.param = param;
    return failed;
  }
  return BadRequest(param, error.message);
}

ApiError ApiErrorOf(FailureKind kind, const std::string& message) {
  switch (kind) {
    case FailureKind::kContextLength:
      return BadRequest("max_tokens", message,
                        "context_length_exceeded");  // a prompt that is too long is refused earlier
    case FailureKind::kTooLarge:
      return BadRequest("max_tokens", message, "kv_budget_exceeded");
    case FailureKind::kQueueFull:
      return ErrorOfStatus(429, message, "queue_full");
    case FailureKind::kNoPipeline:
      return ErrorOfStatus(503, message, "no_pipeline_ready");
    case FailureKind::kPipelineRestarted:
      return ErrorOfStatus(503, message, "pipeline_restarted");
    case FailureKind::kQueueTimeout:
      return ErrorOfStatus(503, message, "queue_timeout");
    case FailureKind::kShuttingDown:
      return ErrorOfStatus(503, message, "shutting_down");
    case FailureKind::kDeadline: {
      ApiError error = ErrorOfStatus(408, message, "deadline_exceeded");
      error.param = "timeout";
      error.no_retry = true;
      return error;
    }
    case FailureKind::kRefused:
      return BadRequest("", message, "request_refused");
    case FailureKind::kStageFailed:
      return ErrorOfStatus(500, message, "stage_failed");
  }
  return ErrorOfStatus(500, message);
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

}  // namespace exeunt::coordinator
