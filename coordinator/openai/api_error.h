// ApiError is an error of the REST API: {"error": {message, type, param, code}} under an HTTP status.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <utility>

#include "base/result.h"
#include "coordinator/core/types.h"

namespace exeunt::coordinator {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param;      // field, such as "exit.threshold"; "": null
  std::string code;       // "": null
  int retry_after_s = 0;  // sent as Retry-After if not 0
  bool no_retry = false;  // sent as x-should-retry, because OpenAI's clients retry after some statuses
};

// Boost calls this if value() is called on a failure, which is a programmer's mistake.
[[noreturn]] inline void throw_exception_from_error(const ApiError& error, const boost::source_location&) {
  throw std::logic_error("value() of a failed ApiResult: " + error.message);
}

template <typename T>
using ApiResult = boost::system::result<T, ApiError>;

// Makes the error of an HTTP status, with OpenAI's type for its class.
ApiError ErrorOfStatus(int status, std::string message, std::string code = "");
ApiError BadRequest(std::string param, std::string message, std::string code = "");
// Converts an error of a model file, a template or the core.
ApiError ApiErrorOf(const Error& error, const std::string& param);
ApiError ApiErrorOf(FailureKind kind, const std::string& message);
// Returns {"error": {...}}.
std::string ErrorBody(const ApiError& error);

}  // namespace exeunt::coordinator
