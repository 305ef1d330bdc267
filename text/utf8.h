// UTF-8 for the tokenizers. Decoding is strict. Ill-formed bytes are replaced by U+FFFD, one for each maximal
// subpart (Unicode 15, section 3.9), as in Python's errors="replace" and Rust's from_utf8_lossy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace exeunt::text {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

struct Utf8Char {
  char32_t code = 0;  // set if valid
  uint32_t size = 0;  // bytes of the character, or of the maximal subpart that is replaced as one
  bool valid = false;
  bool open = false;  // not valid, but more bytes might complete it
};

// Decodes the character at the start of `text`, which must not be empty.
Utf8Char DecodeUtf8(std::string_view text);

// Returns whether UTF-8 has this character. It does up to U+10FFFF, except surrogates.
constexpr bool IsScalarValue(int64_t code) {
  return (code >= 0 && code < 0xD800) || (code >= 0xE000 && code <= 0x10FFFF);
}
// `code` must be a scalar value.
void AppendUtf8(char32_t code, std::string* out);

// Appends `bytes` to `out` with ill-formed sequences replaced, up to an unfinished character at the end.
// Returns the number of consumed bytes.
size_t AppendWellFormed(std::string_view bytes, std::string* out);

// Returns all of `bytes`, well-formed.
std::string ReplaceIllFormed(std::string_view bytes);

bool IsWellFormed(std::string_view bytes);

// Returns the number of characters of well-formed text.
size_t CountCharacters(std::string_view text);

// Returns whether the character is in Unicode's White_Space.
bool IsWhitespace(char32_t code);
// Returns whether the character is in the general categories N*.
bool IsNumeric(char32_t code);
// Returns whether it is ASCII punctuation, an ASCII symbol, or in the general categories P*.
bool IsPunctuation(char32_t code);
// Returns whether \w matches it in Unicode's own definition (UTS 18). That has alphabetic characters, marks,
// decimal digits, connectors and joiners.
bool IsWord(char32_t code);

}  // namespace exeunt::text
