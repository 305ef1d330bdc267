// Python's pprint.pformat. It is repr with the keys of dicts in order, broken into lines of 80 characters.
#pragma once

#include <string>

#include "base/result.h"
#include "text/jinja/value.h"

namespace exeunt::text::jinja {

// Unlike Python, it does not break long strings between words.
Result<std::string> PrettyText(const Value& value, Budget* budget);

}  // namespace exeunt::text::jinja
