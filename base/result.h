// Error and Result<T> return an expected failure, such as a bad file, a bad request or a dead peer. A
// programmer's mistake is a CHECK (check.h), never an Error. Thread-safe: plain values.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace exeunt {

enum class ErrorCode {
  kInvalidArgument,    // wrong input of the caller, which stays wrong
  kNotFound,           // a name without a thing
  kDataLoss,           // a corrupt or truncated file or message
  kResourceExhausted,  // a configured limit that was reached
  kUnavailable,        // a thing that is not available at present, so that another try may succeed
  kUnimplemented,      // a known feature that is not built
  kDeadlineExceeded,
  kInternal,
};

// The message names the thing (file, key, tensor), the value and the limit.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

// Boost calls this if value() is called on a failure, which is a programmer's mistake.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw std::logic_error("value() of a failed Result: " + error.message);
}

template <typename T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

using Status = Result<void>;

inline Status OkStatus() { return {}; }

}  // namespace exeunt

#define EXEUNT_CONCAT_INNER(a, b) a##b
#define EXEUNT_CONCAT(a, b) EXEUNT_CONCAT_INNER(a, b)

// Returns the error of `expr` (a Status or Result) from the enclosing function if there is one.
#define RETURN_IF_ERROR(expr)                                                                  \
  do {                                                                                         \
    auto&& return_if_error_result = (expr);                                                    \
    if (!return_if_error_result.has_value()) return std::move(return_if_error_result).error(); \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()) sets x to the value of F(), or returns the error of F().
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_INNER(EXEUNT_CONCAT(result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_INNER(tmp, lhs, expr)         \
  auto tmp = (expr);                                   \
  if (!tmp.has_value()) return std::move(tmp).error(); \
  lhs = std::move(tmp).value()
