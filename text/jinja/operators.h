// Python's operators on values.
#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace exeunt::text::jinja {

// a op b for + - * / // % **. Integers that overflow are an error.
Result<Value> Arithmetic(std::string_view op, const Value& a, const Value& b, Budget* budget);
Result<Value> Negate(const Value& value);
// a op b for == != < <= > >= and "in", "not in".
Result<bool> Compare(std::string_view op, const Value& a, const Value& b, Budget* budget);
// value[begin:end:step]; bounds are ints or none.
Result<Value> Slice(const Value& value, const Value& begin, const Value& end, const Value& step,
                    Budget* budget);

}  // namespace exeunt::text::jinja
