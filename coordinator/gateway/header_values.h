// Reads values of HTTP headers: names in any case, lists and media types.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace exeunt::coordinator {

// Changes only ASCII letters, whatever the locale.
std::string LowerCase(std::string_view text);
bool EqualsInAnyCase(std::string_view a, std::string_view b);
// Returns the text without the spaces and tabs around it.
std::string_view Trimmed(std::string_view text);
// Returns whether the character may be in a token (RFC 9110, 5.6.2), such as a header's name.
bool IsTokenCharacter(char c);

// Returns the trimmed elements of a list with commas, without empty ones (RFC 9110, 5.6.1).
std::vector<std::string_view> ElementsOf(std::string_view list);
// Returns whether a list has an element of this name.
bool HasElement(std::string_view list, std::string_view name);

// Returns "application/json" for "Application/JSON; charset=utf-8".
std::string MediaTypeOf(std::string_view content_type);
// Returns whether the type is application/json, text/json or one like application/problem+json.
// text/plain;x=json is none.
bool IsJsonType(std::string_view content_type);

}  // namespace exeunt::coordinator
