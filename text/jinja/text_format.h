// Python's two ways of putting values into a text: "%s" % value, and "{}".format(value).
#pragma once

#include <string>

#include "base/result.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {

// format % values: the items of a tuple, the entries of a dict for %(name)s, or one value.
Result<std::string> PercentFormat(const std::string& format, const Value& values, Budget* budget);
// format.format(...). Fields may name attributes and items, as the sandbox allows them.
Result<std::string> BraceFormat(Interpreter& interpreter, const std::string& format,
                                const Arguments& arguments);

}  // namespace exeunt::text::jinja
