// UTF-8 as the tokenizers need it: strict decoding, and replacement of ill-formed bytes by U+FFFD, one for
// each maximal subpart (Unicode 15, section 3.9), as Python's errors="replace" and Rust's from_utf8_lossy do
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace exeunt::text {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

struct Utf8Char {
  char32_t code = 0;  // valid only
  uint32_t size = 0;  // bytes of the character, or of the maximal subpart that is replaced as one
  bool valid = false;
  bool open = false;  // not valid, and more bytes might complete it
};

// The character at the start of `text`, which must not be empty.
Utf8Char DecodeUtf8(std::string_view text);

// Whether UTF-8 has this character: up to U+10FFFF, and no surrogate.
constexpr bool IsScalarValue(int64_t code) {
  return (code >= 0 && code < 0xD800) || (code >= 0xE000 && code <= 0x10FFFF);
}
// `code` is a scalar value.
void AppendUtf8(char32_t code, std::string* out);

// Appends `bytes` to `out` with ill-formed sequences replaced, up to an unfinished character at the end.
// Returns how many bytes were consumed.
size_t AppendWellFormed(std::string_view bytes, std::string* out);

// All of `bytes`, well-formed.
std::string ReplaceIllFormed(std::string_view bytes);

bool IsWellFormed(std::string_view bytes);

// Characters of well-formed text.
size_t CountCharacters(std::string_view text);

// Unicode's White_Space.
bool IsWhitespace(char32_t code);
// General categories N*.
bool IsNumeric(char32_t code);
// ASCII punctuation and symbols, and general categories P*.
bool IsPunctuation(char32_t code);
// What \w matches in Unicode's own definition (UTS 18): alphabetic, marks, decimal digits, connectors,
// joiners.
bool IsWord(char32_t code);

}  // namespace exeunt::text
