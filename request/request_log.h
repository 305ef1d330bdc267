// Writes and reads a request as one line of a log. The line is JSON with the version of the format and the
// fields that differ from their defaults.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "request/sequence_request.h"

namespace exeunt {

inline constexpr int kRequestLogVersion = 1;

// Returns one line with its line feed.
std::string RequestLogLine(const SequenceRequest& request);
// Reads a line with or without its line feed. A line that was cut short, has another version or has an
// unknown field is an error. Fields that are newer than the line get their defaults.
Result<SequenceRequest> ReadRequestLogLine(std::string_view line);

}  // namespace exeunt
