// Functions that make an Error from an fmt message: return InvalidArgument("threshold {} is outside [0, 1]",
// t).
#pragma once

#include <fmt/format.h>

#include <utility>

#include "base/result.h"

namespace exeunt {

#define EXEUNT_ERROR_MAKER(name)                                                   \
  template <typename... Args>                                                      \
  Error name(fmt::format_string<Args...> format, Args&&... args) {                 \
    return {ErrorCode::k##name, fmt::format(format, std::forward<Args>(args)...)}; \
  }

EXEUNT_ERROR_MAKER(InvalidArgument)
EXEUNT_ERROR_MAKER(NotFound)
EXEUNT_ERROR_MAKER(DataLoss)
EXEUNT_ERROR_MAKER(ResourceExhausted)
EXEUNT_ERROR_MAKER(Unavailable)
EXEUNT_ERROR_MAKER(Unimplemented)
EXEUNT_ERROR_MAKER(DeadlineExceeded)
EXEUNT_ERROR_MAKER(Internal)

#undef EXEUNT_ERROR_MAKER

// Returns the error with the context in front of its message, such as "model.gguf: tensor 'x': offset ...".
inline Error Annotate(Error error, const std::string& context) {
  error.message = context + ": " + error.message;
  return error;
}

}  // namespace exeunt
