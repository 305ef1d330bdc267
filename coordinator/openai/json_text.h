// JSON as people read it: Boost.JSON writes 23.5 as 2.35E1.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace exeunt::coordinator {

// Numbers in their shortest decimal form; what is not finite (JSON has no such number) as null.
std::string WriteJson(const boost::json::value& value);

// At most 64 bytes of what a client sent, for an error message: well-formed, "..." where it is cut.
std::string Excerpt(std::string_view text);
std::string JsonExcerpt(const boost::json::value& value);

// A request's body: one JSON object, at most 32 levels deep. InvalidArgument says where it is wrong.
Result<boost::json::object> ParseRequestJson(std::string_view text);

}  // namespace exeunt::coordinator
