// Python's operators on values.
#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace exeunt::text::jinja {

// Returns a op b for + - * / // % **. It is an error if integers overflow.
Result<Value> Arithmetic(std::string_view op, const Value& a, const Value& b, Budget* budget);
Result<Value> Negate(const Value& value);
// Returns a op b for == != < <= > >= and "in", "not in".
Result<bool> Compare(std::string_view op, const Value& a, const Value& b, Budget* budget);
// Returns value[begin:end:step]. The bounds are ints or none.
Result<Value> Slice(const Value& value, const Value& begin, const Value& end, const Value& step,
                    Budget* budget);

}  // namespace exeunt::text::jinja
