#include "text/jinja/number_format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/error.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

bool IsAlign(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

Result<int64_t> TakeNumber(std::string_view* text, std::string_view what) {
  int64_t number = 0;
  while (!text->empty() && IsAsciiDigit(text->front())) {
    number = number * 10 + (text->front() - '0');
    if (number > kMaxWidth) return ResourceExhausted("a {} of more than {}", what, kMaxWidth);
    text->remove_prefix(1);
  }
  return number;
}

bool Take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// Groups digits by `size`, with zeros before them up to `width` characters.
std::string Group(const std::string& digits, char separator, size_t size, int64_t width) {
  std::string all = digits;
  const auto grouped = [&](size_t n) { return n + (n - 1) / size; };
  while (static_cast<int64_t>(grouped(all.size())) < width) all.insert(all.begin(), '0');
  std::string out;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && (all.size() - i) % size == 0) out += separator;
    out += all[i];
  }
  return out;
}

std::string SignOf(bool negative, char sign) {
  return negative ? "-" : sign == '-' ? "" : std::string(1, sign);
}

// Groups and pads a number of sign, digits before the point, and the rest.
std::string FormatNumber(const std::string& sign, std::string digits, const std::string& rest,
                         FormatSpec spec, size_t group) {
  if (spec.zero && spec.align == 0) spec.align = '=';
  if (spec.grouping != 0) {
    const auto others = static_cast<int64_t>(sign.size() + rest.size());
    const bool zeros = spec.align == '=' && spec.fill == "0";
    digits = Group(digits, spec.grouping, group, zeros ? spec.width - others : 0);
  }
  return Pad(sign, digits + rest, spec, '>');
}

// Like 'g', but with a digit after the point, which counts among `precision` (CPython's format_float_short
// with Py_DTSF_ADD_DOT_0).
std::string ShortDigits(double value, int64_t precision) {
  std::string scientific = FloatDigits(value, 'e', precision - 1, false);
  const size_t e = scientific.find('e');
  if (e == std::string::npos) return scientific;  // inf, nan
  const int exponent = std::stoi(scientific.substr(e + 1));
  if (exponent >= -4 && exponent + 1 <= precision - 1) {
    const std::string digits = FloatDigits(value, 'g', precision, false);
    return digits.find('.') == std::string::npos ? digits + ".0" : digits;
  }
  size_t end = e;
  if (scientific.find('.') < e) {
    while (scientific[end - 1] == '0') --end;
    if (scientific[end - 1] == '.') --end;
  }
  return scientific.erase(end, e - end);
}

std::string FormatFloat(double value, const FormatSpec& spec) {
  const char type = spec.type == 'n' ? 'g' : spec.type;
  std::string digits;
  if (type == '%') {
    digits =
        FloatDigits(std::fabs(value * 100), 'f', spec.precision < 0 ? 6 : spec.precision, spec.alternate);
  } else if (type == 0 && spec.precision < 0) {
    digits = FloatText(std::fabs(value));
  } else if (type == 0) {
    digits = ShortDigits(std::fabs(value), std::max<int64_t>(spec.precision, 1));
  } else {
    digits = FloatDigits(std::fabs(value), type, spec.precision, spec.alternate);
  }
  const size_t n = std::min(digits.find_first_not_of("0123456789"), digits.size());
  const std::string rest = digits.substr(n) + (type == '%' ? "%" : "");
  const bool negative = std::signbit(value) && !std::isnan(value);
  return FormatNumber(SignOf(negative, spec.sign), digits.substr(0, n), rest, spec, 3);
}

Result<std::string> FormatInt(int64_t value, const FormatSpec& spec) {
  if (std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos && spec.type != 0)
    return FormatFloat(static_cast<double>(value), spec);
  if (spec.precision >= 0) return InvalidArgument("a precision in the format of an integer");
  if (spec.type == 'c') {
    if (!IsScalarValue(value)) return InvalidArgument("the character {} does not exist", value);
    std::string text;
    AppendUtf8(static_cast<char32_t>(value), &text);
    return Pad("", text, spec, '<');
  }
  const int base = spec.type == 'b'                       ? 2
                   : spec.type == 'o'                     ? 8
                   : spec.type == 'x' || spec.type == 'X' ? 16
                                                          : 10;
  std::string sign = SignOf(value < 0, spec.sign);
  if (spec.alternate && base != 10) sign += {'0', spec.type};
  if (spec.grouping == ',' && base != 10) return InvalidArgument("',' with the format '{}'", spec.type);
  return FormatNumber(sign, IntDigits(Magnitude(value), base, spec.type == 'X'), "", spec,
                      base == 10 ? 3 : 4);
}

Result<std::string> FormatText(const std::string& text, FormatSpec spec) {
  if (spec.type != 0 && spec.type != 's') return InvalidArgument("the format '{}' for a str", spec.type);
  if (spec.sign != '-' || spec.alternate || spec.grouping != 0 || spec.align == '=')
    return InvalidArgument("a format of numbers for a str");
  if (spec.precision < 0) return Pad("", text, spec, '<');
  size_t end = 0;
  for (int64_t i = 0; i < spec.precision && end < text.size(); ++i)
    end += DecodeUtf8(std::string_view(text).substr(end)).size;
  return Pad("", text.substr(0, end), spec, '<');
}

}  // namespace

uint64_t Magnitude(int64_t value) {
  return value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
}

std::string IntDigits(uint64_t value, int base, bool upper) {
  const char* digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string text;
  const auto by = static_cast<uint64_t>(base);
  do {
    text += digits[value % by];
    value /= by;
  } while (value != 0);
  std::ranges::reverse(text);
  return text;
}

std::string FloatDigits(double value, char type, int64_t precision, bool alternate) {
  if (std::isnan(value) || std::isinf(value)) {
    const bool upper = type == 'E' || type == 'F' || type == 'G';
    return std::isnan(value) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
  }
  const std::string format = std::string(alternate ? "%#.*" : "%.*") + type;
  const int digits = precision < 0 ? 6 : static_cast<int>(precision);
  std::string text(static_cast<size_t>(digits) + 350, '\0');
  const int size = std::snprintf(text.data(), text.size(), format.c_str(), digits, value);  // NOLINT
  text.resize(static_cast<size_t>(std::max(size, 0)));
  return text;
}

std::string Pad(const std::string& sign, const std::string& text, const FormatSpec& spec, char align) {
  if (spec.align != 0) align = spec.align;
  const auto size = static_cast<int64_t>(CountCharacters(sign) + CountCharacters(text));
  const int64_t missing = std::max<int64_t>(spec.width - size, 0);
  const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string before;
  std::string after;
  for (int64_t i = 0; i < missing; ++i) (i < left ? before : after) += spec.fill;
  return align == '=' ? sign + before + text : before + sign + text + after;
}

Result<FormatSpec> ParseFormatSpec(std::string_view text) {
  FormatSpec spec;
  const std::string_view all = text;
  bool has_fill = false;
  if (!text.empty()) {
    const size_t size = DecodeUtf8(text).size;
    if (text.size() > size && IsAlign(text[size])) {
      spec.fill = text.substr(0, size);
      has_fill = true;
      spec.align = text[size];
      text.remove_prefix(size + 1);
    } else if (IsAlign(text[0])) {
      spec.align = text[0];
      text.remove_prefix(1);
    }
  }
  if (!text.empty() && (text[0] == '+' || text[0] == '-' || text[0] == ' ')) {
    spec.sign = text[0];
    text.remove_prefix(1);
  }
  if (Take(&text, 'z')) return Unimplemented("the format '{}': 'z' is not supported", all.substr(0, 100));
  spec.alternate = Take(&text, '#');
  spec.zero = Take(&text, '0');
  if (spec.zero && !has_fill) spec.fill.assign(1, '0');
  ASSIGN_OR_RETURN(spec.width, TakeNumber(&text, "width"));
  if (!text.empty() && (text[0] == ',' || text[0] == '_')) {
    spec.grouping = text[0];
    text.remove_prefix(1);
  }
  if (Take(&text, '.')) {
    if (text.empty() || !IsAsciiDigit(text[0]))
      return InvalidArgument("the format '{}' has no precision after '.'", all.substr(0, 100));
    ASSIGN_OR_RETURN(spec.precision, TakeNumber(&text, "precision"));
  }
  if (!text.empty()) {
    spec.type = text[0];
    text.remove_prefix(1);
  }
  const bool known =
      spec.type == 0 || std::string_view("bcdeEfFgGnosxX%").find(spec.type) != std::string_view::npos;
  if (!text.empty() || !known) return InvalidArgument("the format '{}' is wrong", all.substr(0, 100));
  return spec;
}

Result<std::string> FormatValue(const Value& value, std::string_view spec, Budget* budget) {
  if (spec.empty()) return ToText(value, budget);
  RETURN_IF_ERROR(budget->Spend(1 + static_cast<size_t>(kMaxWidth) / 64));
  if (value.is_string()) {
    RETURN_IF_ERROR(budget->Spend(value.string().size() / 16));
    ASSIGN_OR_RETURN(const FormatSpec parsed, ParseFormatSpec(spec));
    return FormatText(value.string(), parsed);
  }
  if (!value.is_number()) {
    if (value.is_undefined()) return value.UndefinedError();
    return InvalidArgument("the format '{}' for a {}", spec.substr(0, 100), value.TypeName());
  }
  ASSIGN_OR_RETURN(const FormatSpec parsed, ParseFormatSpec(spec));
  if (parsed.type == 's') return InvalidArgument("the format 's' for a {}", value.TypeName());
  if (!value.is_float()) return FormatInt(value.integer(), parsed);
  if (parsed.type != 0 && std::string_view("bcdoxX").find(parsed.type) != std::string_view::npos)
    return InvalidArgument("the format '{}' for a float", parsed.type);
  return FormatFloat(value.number(), parsed);
}

}  // namespace exeunt::text::jinja
