// Formats numbers and texts by Python's format specifications, for str.format and for the operator %.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/jinja/value.h"

namespace exeunt::text::jinja {

// A specification is [[fill]align][sign][z][#][0][width][grouping][.precision][type] of
// https://docs.python.org/3/library/string.html#formatspec
struct FormatSpec {
  std::string fill = " ";
  char align = 0;  // 0: left for texts, right for numbers
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  int64_t width = 0;       // characters
  char grouping = 0;       // 0, ',' or '_'
  int64_t precision = -1;  // -1 for none
  char type = 0;
};

// The limit of widths and precisions. Larger ones are refused.
inline constexpr int64_t kMaxWidth = 10'000;

// Errors say what is wrong in `text`.
Result<FormatSpec> ParseFormatSpec(std::string_view text);
// format(value, spec).
Result<std::string> FormatValue(const Value& value, std::string_view spec, Budget* budget);
// Returns the digits of a float without sign. `type` is one of e, E, f, F, g, G.
std::string FloatDigits(double value, char type, int64_t precision, bool alternate);
// Returns the digits of an integer in base 2, 8, 10 or 16.
std::string IntDigits(uint64_t value, int base, bool upper);
uint64_t Magnitude(int64_t value);
// Pads `text` to the field of `spec`. With '=' the zeros follow `sign`, which may have a prefix such as 0x.
std::string Pad(const std::string& sign, const std::string& text, const FormatSpec& spec, char align);

}  // namespace exeunt::text::jinja
