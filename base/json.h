// Parses JSON from untrusted files with Boost.JSON. It throws no exceptions and bounds the depth.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt {

// Parses one JSON object that is nested at most 32 deep. The error names the offset. If a key occurs twice,
// the last value counts.
Result<boost::json::object> ParseJsonObject(std::string_view text);

// Returns a value as an error message shows it, as JSON that is cut short.
std::string JsonText(const boost::json::value& value);

}  // namespace exeunt
