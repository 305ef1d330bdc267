// Jinja's filters for numbers.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/number_format.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

// Returns the text that int() and float() read. White space around it and "_" between digits are dropped.
std::optional<std::string> Digits(std::string_view text) {
  text = StripRight(StripLeft(text, ""), "");
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
      continue;
    }
    const auto alnum = [&](size_t at) {
      return at < text.size() && std::isalnum(static_cast<uint8_t>(text[at])) != 0;
    };
    if (i == 0 || !alnum(i - 1) || !alnum(i + 1)) return std::nullopt;
  }
  return out;
}

// int(text, base). Returns nullopt if Python raises ValueError. A number that does not fit is an error.
Result<std::optional<int64_t>> ParseInt(std::string_view text, int64_t base) {
  std::optional<std::string> read = Digits(text);
  if (!read || base < 0 || base == 1 || base > 36) return std::optional<int64_t>();
  std::string_view digits = *read;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.starts_with('-') || digits.starts_with('+')) return std::optional<int64_t>();
  const auto prefixed = [&](char lower, int64_t of) {
    return digits.size() > 1 && digits[0] == '0' && (digits[1] | 0x20) == lower && (base == of || base == 0);
  };
  for (const auto& [letter, of] : {std::pair{'x', int64_t{16}}, {'o', int64_t{8}}, {'b', int64_t{2}}}) {
    if (!prefixed(letter, of)) continue;
    base = of;
    digits.remove_prefix(2);
    break;
  }
  if (base == 0 && digits.size() > 1 && digits[0] == '0' &&
      digits.find_first_not_of('0') != std::string_view::npos)
    return std::optional<int64_t>();
  if (base == 0) base = 10;
  std::string signed_digits(negative ? 1 : 0, '-');
  signed_digits += digits;
  int64_t number = 0;
  const char* end = signed_digits.data() + signed_digits.size();
  const auto [at, error] = std::from_chars(signed_digits.data(), end, number, static_cast<int>(base));
  if (error == std::errc::result_out_of_range && at == end)
    return InvalidArgument("the integer {} is too large", signed_digits.substr(0, 100));
  if (digits.empty() || error != std::errc() || at != end) return std::optional<int64_t>();
  return std::optional<int64_t>(number);
}

std::optional<double> ParseFloat(std::string_view text) {
  const std::optional<std::string> read = Digits(text);
  if (!read) return std::nullopt;
  std::string digits = Lower(*read);
  if (digits.starts_with('+')) digits.erase(0, 1);
  const std::string_view unsigned_digits = std::string_view(digits).substr(digits.starts_with('-') ? 1 : 0);
  if (unsigned_digits.starts_with('-') || unsigned_digits.starts_with("nan(")) return std::nullopt;
  double number = 0.0;
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, number);
  if (error == std::errc::result_out_of_range && at == end) {
    const bool tiny = digits.find("e-") != std::string::npos;
    return (digits[0] == '-' ? -1 : 1) * (tiny ? 0.0 : HUGE_VAL);
  }
  if (error != std::errc() || at != end || digits.empty()) return std::nullopt;
  return number;
}

Result<Value> Truncated(double number, const Value& otherwise) {
  if (std::isnan(number)) return otherwise;
  if (!(std::fabs(number) < 9.2e18)) return InvalidArgument("{} as an integer is too large", number);
  return Value::Int(static_cast<int64_t>(number));
}

Status SpendOn(Interpreter& interpreter, const Value& value) {
  return interpreter.budget()->Spend(value.is_string() ? value.string().size() / 16 : 0);
}

Result<Value> Int(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"default", "base"}));
  ASSIGN_OR_RETURN(const int64_t base, IntOr(bound[1], 10));
  RETURN_IF_ERROR(SpendOn(interpreter, value));
  if (value.is_undefined()) return value.UndefinedError();
  const Value otherwise = arguments.positional.empty() && bound[0].is_undefined() ? Value::Int(0) : bound[0];
  if (value.is_int() || value.is_bool()) return Value::Int(value.integer());
  if (value.is_float()) return Truncated(value.number(), otherwise);
  if (!value.is_string()) return otherwise;
  ASSIGN_OR_RETURN(const std::optional<int64_t> number, ParseInt(value.string(), base));
  if (number) return Value::Int(*number);
  const std::optional<double> real = ParseFloat(value.string());
  return real && std::isfinite(*real) ? Truncated(*real, otherwise) : Result<Value>(otherwise);
}

Result<Value> Float(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(SpendOn(interpreter, value));
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"default"}));
  if (value.is_undefined()) return value.UndefinedError();
  if (value.is_number()) return Value::Float(value.number());
  if (value.is_string()) {
    if (const auto number = ParseFloat(value.string())) return Value::Float(*number);
  }
  return arguments.positional.empty() && bound[0].is_undefined() ? Value::Float(0.0) : bound[0];
}

Result<Value> Abs(Interpreter&, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (value.is_undefined()) return value.UndefinedError();
  if (!value.is_number()) return InvalidArgument("the absolute value of a {}", value.TypeName());
  if (value.is_float()) return Value::Float(std::fabs(value.number()));
  return value.integer() < 0 ? Negate(value) : Result<Value>(Value::Int(value.integer()));
}

// round(value, -places) of an integer. It rounds to a multiple of 10 ** places, and halves to the even one.
Result<Value> RoundInt(int64_t value, int64_t places) {
  if (places > 18) return Value::Int(0);
  int64_t unit = 1;
  for (int64_t i = 0; i < places; ++i) unit *= 10;
  const int64_t rest = ((value % unit) + unit) % unit;
  const int64_t low = value - rest;
  const bool up = rest > unit - rest || (rest == unit - rest && (low / unit) % 2 != 0);
  int64_t rounded = low;
  if (up && __builtin_add_overflow(low, unit, &rounded)) return InvalidArgument("an integer overflows");
  return Value::Int(rounded);
}

// round(value, precision) of a float. It rounds the exact decimal value, and halves to the even digit.
double RoundFloat(double value, int64_t precision) {
  constexpr int64_t kAllDigits = 330;
  if (!std::isfinite(value) || precision > kAllDigits) return value;
  if (precision < -kAllDigits) return std::copysign(0.0, value);
  double rounded = 0.0;
  if (precision >= 0) {
    const std::string digits = FloatDigits(std::fabs(value), 'f', precision, false);
    std::from_chars(digits.data(), digits.data() + digits.size(), rounded);
  } else {
    // `kept` has the digits that stay. `rest` has the others, whose value may be below, at or above one half.
    std::string digits = FloatDigits(std::fabs(value), 'f', 340, false);
    const auto cut = static_cast<int64_t>(digits.find('.')) + precision;
    const std::string unit(static_cast<size_t>(-precision), '0');
    std::string kept = cut > 0 ? digits.substr(0, static_cast<size_t>(cut)) : "0";
    std::string rest = cut >= 0 ? digits.substr(static_cast<size_t>(cut)) : "0";
    std::erase(rest, '.');
    const bool half = rest[0] == '5' && rest.find_first_not_of('0', 1) == std::string::npos;
    const bool odd = (kept.back() - '0') % 2 != 0;
    double base = 0.0;
    if (rest[0] >= '5' && (!half || odd)) {
      size_t i = kept.size();
      while (i > 0 && kept[i - 1] == '9') kept[--i] = '0';
      if (i > 0) {
        ++kept[i - 1];
      } else {
        kept.insert(kept.begin(), '1');
      }
    }
    kept += unit;
    std::from_chars(kept.data(), kept.data() + kept.size(), base);
    rounded = base;
  }
  return std::copysign(rounded, value);
}

Result<Value> Round(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"precision", "method"}));
  ASSIGN_OR_RETURN(const std::string method, StringOr(bound[1], "common"));
  if (method != "common" && method != "ceil" && method != "floor")
    return InvalidArgument("round: method must be common, ceil or floor, not '{}'", method.substr(0, 100));
  if (value.is_undefined()) return value.UndefinedError();
  if (!value.is_number()) return InvalidArgument("round of a {}", value.TypeName());
  int64_t precision = 0;
  if (!bound[0].is_undefined()) {
    ASSIGN_OR_RETURN(precision, IntOf(bound[0]));
  }
  if (method == "common") {
    if (value.is_float()) return Value::Float(RoundFloat(value.number(), precision));
    return precision >= 0 ? Result<Value>(Value::Int(value.integer()))
                          : RoundInt(value.integer(), -precision);
  }
  ASSIGN_OR_RETURN(const Value scale,
                   Arithmetic("**", Value::Int(10), Value::Int(precision), interpreter.budget()));
  ASSIGN_OR_RETURN(const Value scaled, Arithmetic("*", value, scale, interpreter.budget()));
  Value whole = scaled;
  if (scaled.is_float()) {
    const double number = scaled.number();
    ASSIGN_OR_RETURN(whole, Truncated(method == "ceil" ? std::ceil(number) : std::floor(number), Value()));
    if (whole.is_undefined()) return InvalidArgument("round of nan");
  }
  return Arithmetic("/", whole, scale, interpreter.budget());
}

Result<Value> FileSizeFormat(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"binary"}));
  if (value.is_undefined()) return value.UndefinedError();
  RETURN_IF_ERROR(SpendOn(interpreter, value));
  std::optional<double> bytes;
  if (value.is_number()) bytes = value.number();
  if (value.is_string()) bytes = ParseFloat(value.string());
  if (!bytes) return InvalidArgument("a {} as the size of a file", value.TypeName());
  const bool binary = bound[0].Truthy();
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return Value::String("1 Byte");
  if (*bytes < base) {
    ASSIGN_OR_RETURN(const Value whole, Truncated(*bytes, Value::Int(0)));
    return Value::String(fmt::format("{} Bytes", whole.integer()));
  }
  double unit = base * base;
  size_t i = 0;
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  for (; i + 1 < kPrefixes.size() && *bytes >= unit; ++i) unit *= base;
  const std::string number = FloatDigits(base * *bytes / unit, 'f', 1, false);
  const char prefix = binary && i == 0 ? 'K' : kPrefixes[i];
  return Value::String(fmt::format("{} {}{}B", number, prefix, binary ? "i" : ""));
}

constexpr std::array kFilters = {
    NamedFilter{"int", Int},
    NamedFilter{"float", Float},
    NamedFilter{"abs", Abs},
    NamedFilter{"round", Round},
    NamedFilter{"filesizeformat", FileSizeFormat},
};

}  // namespace

std::span<const NamedFilter> NumberFilters() { return kFilters; }

}  // namespace exeunt::text::jinja
