// The methods of each type of value; methods.cc chooses. Private to this folder.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {

// Where `text` is searched, split or measured (string_search.cc); nullopt: no such method there.
Result<std::optional<Value>> CallSearch(const std::string& text, std::string_view name,
                                        const Arguments& arguments, Budget* budget);
// All other methods of strings (string_methods.cc).
Result<Value> CallOnString(Interpreter& interpreter, const std::string& text, std::string_view name,
                           const Arguments& arguments);

// What names an item in a path: an integer of at most 9 digits, else the text.
Value ItemKey(std::string_view text);

// An argument that must be a string.
Result<const std::string*> StringOf(const Value& value);
// An argument that is a string; `otherwise` where it is none or absent.
Result<std::string> StringOr(const Value& value, std::string_view otherwise);
// An argument that is an integer; `otherwise` where it is none or absent.
Result<int64_t> IntOr(const Value& value, int64_t otherwise);
// An argument that must be an integer.
Result<int64_t> IntOf(const Value& value);
Result<Value> ListOf(std::vector<std::string> parts, Budget* budget);

}  // namespace exeunt::text::jinja
