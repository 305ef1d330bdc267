// The numbers and strings of expressions. Private to this folder.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/lexer.h"

namespace exeunt::text::jinja {

// The number at `*at`, where a digit stands; `*at` moves behind it. Errors name the line.
Result<Token> ReadNumber(std::string_view source, int line, size_t* at);
// The string at `*at`, where its quote stands, without its escapes; `*at` moves behind it.
Result<std::string> ReadString(std::string_view source, int line, size_t* at);

}  // namespace exeunt::text::jinja
