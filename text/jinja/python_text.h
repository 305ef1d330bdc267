// Python's string methods, as far as templates use them. Upper and lower case follow Unicode's simple
// mappings, with a special case for "ß".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace exeunt::text::jinja {

// The largest number of parts of a split. Callers refuse a text with more.
inline constexpr size_t kMaxParts = 1'000'000;

// Strips the characters in `characters`, or white space if that is empty.
std::string_view StripLeft(std::string_view text, std::string_view characters);
std::string_view StripRight(std::string_view text, std::string_view characters);
// str.split with at most `limit` splits (-1: kMaxParts). An empty `separator` means runs of white space.
std::vector<std::string> SplitText(std::string_view text, std::string_view separator, int64_t limit);
// str.rsplit.
std::vector<std::string> SplitTextFromRight(std::string_view text, std::string_view separator, int64_t limit);
// str.splitlines. It ignores the text behind kMaxParts lines.
std::vector<std::string> SplitLines(std::string_view text, bool keep_ends);
// Makes at most `limit` replacements (-1: any number). Stops and returns false if the result exceeds
// `max_bytes`.
bool ReplaceText(std::string_view text, std::string_view from, std::string_view to, int64_t limit,
                 size_t max_bytes, std::string* out);
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
// Puts the first character in upper case and the rest in lower case.
std::string Capitalize(std::string_view text);
// str.title, which capitalises every run of cased characters.
std::string TitleMethod(std::string_view text);
// Jinja's filter `title`. White space, '-' and opening brackets separate words.
std::string TitleFilter(std::string_view text);
// Changes upper to lower case and lower to upper case.
std::string SwapCase(std::string_view text);
// str.casefold.
std::string FoldCase(std::string_view text);
// str.isupper and str.islower. There must be a cased character, and all of them must be in this case.
bool IsInCase(std::string_view text, bool upper);
bool IsTitle(std::string_view text);
bool IsIdentifier(std::string_view text);
// Returns whether repr shows the character unchanged.
bool IsPrintable(char32_t code);
// Returns whether there are characters and `predicate` holds for all.
bool AllCharacters(std::string_view text, bool (*predicate)(char32_t));
// Returns whether it is 0 to 9.
constexpr bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
// Returns whether there are characters and all of them are 0 to 9.
bool IsAsciiNumber(std::string_view text);
bool IsAlphabetic(char32_t code);
// str.isdigit and str.isdecimal for one character.
bool IsDigit(char32_t code);
bool IsDecimal(char32_t code);

}  // namespace exeunt::text::jinja
