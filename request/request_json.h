// Writes and reads a request as a JSON object, with the list in request/request_fields.h. Times are in
// nanoseconds. Modes and measures are names.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"
#include "request/sequence_request.h"

namespace exeunt {

// Writes every field. Numbers are written so that they are read back with the same bits.
boost::json::object ToJson(const SequenceRequest& request);
// A missing field gets its default. An unknown field or a value of another type is an error. The error names
// the field, the value and what would be right. Validate checks the ranges.
Result<SequenceRequest> RequestFromJson(const boost::json::value& value);

}  // namespace exeunt
