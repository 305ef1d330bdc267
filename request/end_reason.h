// EndReason says why a sequence ended.
#pragma once

#include <cstdint>

namespace exeunt {

enum class EndReason : uint8_t {
  kStop,       // an end token
  kLength,     // max_tokens
  kCancelled,  // an answer that nobody waits for any longer
};

// The name in the REST API and the metrics: "stop", "length" or "abort".
const char* EndReasonName(EndReason reason);

}  // namespace exeunt
