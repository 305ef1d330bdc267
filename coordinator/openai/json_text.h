// Writes JSON for people. Boost.JSON would write 23.5 as 2.35E1.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::coordinator {

// Writes numbers in their shortest decimal form. Numbers that are not finite become null, because JSON has
// none.
std::string WriteJson(const boost::json::value& value);

// Returns at most 64 bytes of a client's text for an error message. The result is well-formed and has "..."
// where it is cut.
std::string Excerpt(std::string_view text);
std::string JsonExcerpt(const boost::json::value& value);

// Parses a request's body, one JSON object at most 32 levels deep. InvalidArgument says where it is wrong.
Result<boost::json::object> ParseRequestJson(std::string_view text);

}  // namespace exeunt::coordinator
