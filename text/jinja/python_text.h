// Python's string methods, as far as templates use them. Upper and lower case are Unicode's simple mappings,
// and "ß".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace exeunt::text::jinja {

// A text that splits into more than that is refused by who calls these functions.
inline constexpr size_t kMaxParts = 1'000'000;

// Characters to strip: those in `characters`, or white space where that is empty.
std::string_view StripLeft(std::string_view text, std::string_view characters);
std::string_view StripRight(std::string_view text, std::string_view characters);
// str.split: at most `limit` splits (-1: kMaxParts); an empty `separator` means runs of white space.
std::vector<std::string> SplitText(std::string_view text, std::string_view separator, int64_t limit);
// str.rsplit.
std::vector<std::string> SplitTextFromRight(std::string_view text, std::string_view separator, int64_t limit);
// str.splitlines; what follows kMaxParts lines is not looked at.
std::vector<std::string> SplitLines(std::string_view text, bool keep_ends);
// At most `limit` replacements (-1: any number). Stops, with false, where the result passes `max_bytes`.
bool ReplaceText(std::string_view text, std::string_view from, std::string_view to, int64_t limit,
                 size_t max_bytes, std::string* out);
std::string Upper(std::string_view text);
std::string Lower(std::string_view text);
// First character in upper case, the rest in lower case.
std::string Capitalize(std::string_view text);
// str.title: every run of cased characters capitalised.
std::string TitleMethod(std::string_view text);
// Jinja's filter of that name: words as white space, '-' and opening brackets separate them.
std::string TitleFilter(std::string_view text);
// Upper to lower case, and lower to upper case.
std::string SwapCase(std::string_view text);
// str.casefold.
std::string FoldCase(std::string_view text);
// str.isupper and str.islower: all cased characters are so, and there is one.
bool IsInCase(std::string_view text, bool upper);
bool IsTitle(std::string_view text);
bool IsIdentifier(std::string_view text);
// What repr shows as it is.
bool IsPrintable(char32_t code);
// Whether there are characters, and `predicate` holds for all.
bool AllCharacters(std::string_view text, bool (*predicate)(char32_t));
// 0 to 9.
constexpr bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
// Whether there are characters, and all of them are 0 to 9.
bool IsAsciiNumber(std::string_view text);
bool IsAlphabetic(char32_t code);
// str.isdigit and str.isdecimal of one character.
bool IsDigit(char32_t code);
bool IsDecimal(char32_t code);

}  // namespace exeunt::text::jinja
