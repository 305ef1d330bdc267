// Why a sequence ended.
#pragma once

#include <cstdint>

namespace exeunt {

enum class EndReason : uint8_t {
  kStop,       // an end token
  kLength,     // max_tokens
  kCancelled,  // nobody wants the rest
};

// As the REST API and the metrics have it: "stop", "length", "abort".
const char* EndReasonName(EndReason reason);

}  // namespace exeunt
