// JSON of untrusted files: Boost.JSON without exceptions, with bounds on depth.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt {

// One JSON object, nested at most 32 deep. The error names the offset. A key that is there twice has its last
// value.
Result<boost::json::object> ParseJsonObject(std::string_view text);

// A value as it stands in an error message: JSON, cut short.
std::string JsonText(const boost::json::value& value);

}  // namespace exeunt
