// A request as one line of a log: JSON with the version of the format and the fields that differ from their
// default.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "request/sequence_request.h"

namespace exeunt {

inline constexpr int kRequestLogVersion = 1;

// One line, its line feed included.
std::string RequestLogLine(const SequenceRequest& request);
// The line with or without its line feed. A line that was cut short, of another version, or with an unknown
// field is an error. Fields that came later than the line have their default.
Result<SequenceRequest> ReadRequestLogLine(std::string_view line);

}  // namespace exeunt
