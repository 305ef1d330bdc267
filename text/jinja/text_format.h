// Python's two ways to format values in a text: "%s" % value, and "{}".format(value).
#pragma once

#include <string>

#include "base/result.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {

// Computes format % values. `values` has the items of a tuple, the entries of a dict for %(name)s, or one
// value.
Result<std::string> PercentFormat(const std::string& format, const Value& values, Budget* budget);
// Computes format.format(...). Fields may name attributes and items that the sandbox allows.
Result<std::string> BraceFormat(Interpreter& interpreter, const std::string& format,
                                const Arguments& arguments);

}  // namespace exeunt::text::jinja
