// ApiError: an error as the REST API shows it, {"error": {message, type, param, code}} under an HTTP status.
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
  std::string param;      // the field, e.g. "exit.threshold"; "": null
  std::string code;       // "": null
  int retry_after_s = 0;  // sent as Retry-After where not 0
  bool no_retry =
      false;  // sent as x-should-retry: OpenAI's clients ask again by themselves after some statuses
};

// Boost calls this when value() is asked of a failure: a programmer's mistake.
[[noreturn]] inline void throw_exception_from_error(const ApiError& error, const boost::source_location&) {
  throw std::logic_error("value() of a failed ApiResult: " + error.message);
}

template <typename T>
using ApiResult = boost::system::result<T, ApiError>;

// What an HTTP status says by itself, with the type that OpenAI has for its class.
ApiError ErrorOfStatus(int status, std::string message, std::string code = "");
ApiError BadRequest(std::string param, std::string message, std::string code = "");
// What a model file, a template or the core says of a request.
ApiError ApiErrorOf(const Error& error, const std::string& param);
ApiError ApiErrorOf(FailureKind kind, const std::string& message);
// {"error": {...}}
std::string ErrorBody(const ApiError& error);

}  // namespace exeunt::coordinator
