// Values of HTTP headers: names in any case, lists, media types.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace exeunt::coordinator {

// ASCII letters alone, whatever the locale.
std::string LowerCase(std::string_view text);
bool EqualsInAnyCase(std::string_view a, std::string_view b);
// Without the spaces and tabs around it.
std::string_view Trimmed(std::string_view text);
// A character of a token (RFC 9110, 5.6.2), such as a header's name.
bool IsTokenCharacter(char c);

// The elements of a list with commas, trimmed, without empty ones (RFC 9110, 5.6.1).
std::vector<std::string_view> ElementsOf(std::string_view list);
// Whether a list has an element of this name.
bool HasElement(std::string_view list, std::string_view name);

// "application/json" of "Application/JSON; charset=utf-8".
std::string MediaTypeOf(std::string_view content_type);
// application/json, text/json, application/problem+json: not text/plain;x=json.
bool IsJsonType(std::string_view content_type);

}  // namespace exeunt::coordinator
