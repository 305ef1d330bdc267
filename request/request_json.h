// A request as a JSON object, written and read from the list in request/request_fields.h. Times are in
// nanoseconds, modes and measures are names.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"
#include "request/sequence_request.h"

namespace exeunt {

// Every field. Numbers are written so that reading gives the same bits.
boost::json::object ToJson(const SequenceRequest& request);
// A field that is missing has its default. An unknown field, and a value of another type, is an error that
// names the field, the value and what would be right. The ranges are Validate's.
Result<SequenceRequest> RequestFromJson(const boost::json::value& value);

}  // namespace exeunt
