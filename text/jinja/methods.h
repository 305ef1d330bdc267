// The methods of each type of value. methods.cc chooses among them. Private to this folder.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {

// Calls a method that searches, splits or measures `text` (string_search.cc). Returns nullopt if there is no
// such method.
Result<std::optional<Value>> CallSearch(const std::string& text, std::string_view name,
                                        const Arguments& arguments, Budget* budget);
// Calls any other method of strings (string_methods.cc).
Result<Value> CallOnString(Interpreter& interpreter, const std::string& text, std::string_view name,
                           const Arguments& arguments);

// Returns the key that names an item in a path. It is an integer of at most 9 digits, else the text.
Value ItemKey(std::string_view text);

// Reads an argument that must be a string.
Result<const std::string*> StringOf(const Value& value);
// Reads an argument that is a string. Returns `otherwise` if it is none or missing.
Result<std::string> StringOr(const Value& value, std::string_view otherwise);
// Reads an argument that is an integer. Returns `otherwise` if it is none or missing.
Result<int64_t> IntOr(const Value& value, int64_t otherwise);
// Reads an argument that must be an integer.
Result<int64_t> IntOf(const Value& value);
Result<Value> ListOf(std::vector<std::string> parts, Budget* budget);

}  // namespace exeunt::text::jinja
