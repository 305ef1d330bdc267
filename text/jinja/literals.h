// Reads the numbers and strings of expressions. Private to this folder.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/lexer.h"

namespace exeunt::text::jinja {

// Reads the number at `*at`, which must be a digit, and moves `*at` behind it. Errors name the line.
Result<Token> ReadNumber(std::string_view source, int line, size_t* at);
// Reads the string at `*at`, which must be its quote, and moves `*at` behind it. Escapes are replaced.
Result<std::string> ReadString(std::string_view source, int line, size_t* at);

}  // namespace exeunt::text::jinja
