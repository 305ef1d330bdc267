#include "text/jinja/literals.h"

#include <cctype>
#include <charconv>

#include "base/error.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

bool DigitAt(std::string_view source, size_t at) { return at < source.size() && IsAsciiDigit(source[at]); }

// Reads the digits at `*at`, which may have "_" between them.
std::string TakeDigits(std::string_view source, size_t* at) {
  std::string digits;
  for (; *at < source.size(); ++*at) {
    const bool separator = source[*at] == '_' && DigitAt(source, *at + 1);
    if (!separator && !IsAsciiDigit(source[*at])) break;
    if (!separator) digits += source[*at];
  }
  return digits;
}

// Returns the base of 0x1F, 0o17 and 0b101, or 10 for others.
int BaseAt(std::string_view source, size_t at) {
  if (at + 2 >= source.size() || source[at] != '0') return 10;
  const char letter = static_cast<char>(source[at + 1] | 0x20);
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
  const std::string_view first = source.substr(at + (source[at + 2] == '_' ? 3 : 2), 1);
  int64_t digit = 0;
  const auto parsed = std::from_chars(first.data(), first.data() + first.size(), digit, base);
  return parsed.ec == std::errc() ? base : 10;
}

Result<Token> ReadBased(std::string_view source, int line, int base, size_t* at) {
  std::string digits;
  for (*at += 2; *at < source.size(); ++*at) {
    const char c = source[*at];
    if (std::isalnum(static_cast<uint8_t>(c)) == 0 && c != '_') break;
    if (c != '_') digits += c;
  }
  Token token{TokenKind::kInt, line, digits};
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, token.integer, base);
  if (parsed.ec != std::errc() || parsed.ptr != end)
    return InvalidArgument("line {}: a wrong number '{}' of base {}", line, digits.substr(0, 100), base);
  return token;
}

// Reads n digits of an escape at `*at`. Returns -1 if there are fewer.
int64_t TakeCode(std::string_view source, size_t n, int base, size_t* at) {
  int64_t code = 0;
  for (size_t k = 0; k < n; ++k, ++*at) {
    const char c = *at < source.size() ? source[*at] : ' ';
    const int digit = IsAsciiDigit(c)        ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : 99;
    if (digit >= base) return -1;
    code = code * base + digit;
  }
  return code;
}

// Reads the escape whose letter is at `*at`.
Status ReadEscape(std::string_view source, int line, size_t* at, std::string* out) {
  static constexpr std::string_view kLetters = "\\'\"abfnrtv";
  static constexpr std::string_view kMeaning = "\\'\"\a\b\f\n\r\t\v";
  const char c = source[*at];
  const size_t simple = kLetters.find(c);
  const bool octal = c >= '0' && c <= '7';
  if (simple != std::string_view::npos || c == '\n') {
    if (c != '\n') *out += kMeaning[simple];
    ++*at;
    return OkStatus();
  }
  if (!octal && c != 'x' && c != 'u' && c != 'U') {
    *out += '\\';
    return OkStatus();
  }
  int64_t code = 0;
  if (octal) {
    size_t n = 1;
    while (n < 3 && *at + n < source.size() && source[*at + n] >= '0' && source[*at + n] <= '7') ++n;
    code = TakeCode(source, n, 8, at);
  } else {
    ++*at;
    code = TakeCode(source, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, at);
  }
  if (!IsScalarValue(code)) return InvalidArgument("line {}: a wrong escape in a string", line);
  AppendUtf8(static_cast<char32_t>(code), out);
  return OkStatus();
}

}  // namespace

Result<Token> ReadNumber(std::string_view source, int line, size_t* at) {
  const bool after_dot = *at > 0 && source[*at - 1] == '.';
  if (const int base = BaseAt(source, *at); base != 10 && !after_dot)
    return ReadBased(source, line, base, at);
  std::string digits = TakeDigits(source, at);
  bool is_float = false;
  if (!after_dot && *at < source.size() && source[*at] == '.' && DigitAt(source, *at + 1)) {
    is_float = true;
    ++*at;
    digits += '.' + TakeDigits(source, at);
  }
  if (!after_dot && *at < source.size() && (source[*at] == 'e' || source[*at] == 'E')) {
    const bool sign = *at + 1 < source.size() && (source[*at + 1] == '-' || source[*at + 1] == '+');
    const size_t size = sign ? 2 : 1;
    if (DigitAt(source, *at + size)) {
      is_float = true;
      digits += source.substr(*at, size);
      *at += size;
      digits += TakeDigits(source, at);
    }
  }
  if (digits.size() > 64) return InvalidArgument("line {}: a number of {} digits", line, digits.size());
  Token token{is_float ? TokenKind::kFloat : TokenKind::kInt, line, digits};
  const char* end = digits.data() + digits.size();
  if (!is_float && digits.size() > 1 && digits[0] == '0' &&
      digits.find_first_not_of('0') != std::string::npos) {
    return InvalidArgument("line {}: the number {} starts with 0", line, digits);
  }
  const auto parsed = is_float ? std::from_chars(digits.data(), end, token.number)
                               : std::from_chars(digits.data(), end, token.integer);
  if (parsed.ec != std::errc()) return InvalidArgument("line {}: the number {} is too large", line, digits);
  return token;
}

Result<std::string> ReadString(std::string_view source, int line, size_t* at) {
  const char quote = source[(*at)++];
  std::string out;
  while (*at < source.size() && source[*at] != quote) {
    if (source[*at] != '\\') {
      out += source[(*at)++];
      continue;
    }
    if (++*at >= source.size()) break;
    RETURN_IF_ERROR(ReadEscape(source, line, at, &out));
  }
  if (*at >= source.size()) return InvalidArgument("line {}: a string without its end", line);
  ++*at;
  return out;
}

}  // namespace exeunt::text::jinja
