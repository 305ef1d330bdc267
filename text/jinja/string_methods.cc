// Methods of strings that lay out, change or test their characters.
#include "base/error.h"
#include "text/jinja/lexer.h"
#include "text/jinja/methods.h"
#include "text/jinja/number_format.h"
#include "text/jinja/python_text.h"
#include "text/jinja/text_format.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

constexpr size_t kMaxStripBytes = 256;
constexpr int64_t kMaxFieldWidth = 1'000'000;

Result<Value> Strip(const std::string& text, std::string_view name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"chars"}));
  ASSIGN_OR_RETURN(const std::string characters, StringOr(bound[0], ""));
  if (bound[0].is_string() && characters.empty()) return Value::String(text);
  if (characters.size() > kMaxStripBytes)
    return Unimplemented("more than {} bytes of characters to strip", kMaxStripBytes);
  std::string_view left = text;
  if (name != "rstrip") left = StripLeft(left, characters);
  if (name != "lstrip") left = StripRight(left, characters);
  return Value::String(std::string(left));
}

Result<Value> Join(const std::string& separator, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"iterable"}, 1));
  ASSIGN_OR_RETURN(const auto items, Iterate(bound[0], budget));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) return InvalidArgument("item {} is a {}, not a str", i, items[i].TypeName());
    RETURN_IF_ERROR(budget->Spend((separator.size() + items[i].string().size()) / 16));
    if (i > 0) out += separator;
    out += items[i].string();
  }
  return Value::String(std::move(out));
}

Result<int64_t> WidthOf(const Value& value, Budget* budget) {
  ASSIGN_OR_RETURN(const int64_t width, IntOf(value));
  if (width > kMaxFieldWidth) return ResourceExhausted("a width of {}: at most {}", width, kMaxFieldWidth);
  RETURN_IF_ERROR(budget->Spend(static_cast<size_t>(std::max<int64_t>(width, 0)) / 4));
  return width;
}

// Implements center, ljust and rjust.
Result<Value> Justify(const std::string& text, std::string_view name, const Arguments& arguments,
                      Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"width", "fillchar"}, 1));
  ASSIGN_OR_RETURN(const int64_t width, WidthOf(bound[0], budget));
  ASSIGN_OR_RETURN(const std::string fill, StringOr(bound[1], " "));
  if (CountCharacters(fill) != 1)
    return InvalidArgument("{} fills with one character, not '{}'", name, fill.substr(0, 100));
  const int64_t missing = std::max<int64_t>(width - static_cast<int64_t>(CountCharacters(text)), 0);
  // CPython puts the odd space to the left if the width is odd.
  const int64_t left = name == "ljust" ? 0 : name == "rjust" ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += text;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return Value::String(std::move(out));
}

Result<Value> ZeroFill(const std::string& text, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"width"}, 1));
  ASSIGN_OR_RETURN(const int64_t width, WidthOf(bound[0], budget));
  const int64_t missing = std::max<int64_t>(width - static_cast<int64_t>(CountCharacters(text)), 0);
  const size_t sign = text.starts_with('+') || text.starts_with('-') ? 1 : 0;
  std::string out = text;
  out.insert(sign, static_cast<size_t>(missing), '0');
  return Value::String(std::move(out));
}

Result<Value> ExpandTabs(const std::string& text, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"tabsize"}));
  ASSIGN_OR_RETURN(const int64_t size, IntOr(bound[0], 8));
  constexpr int64_t kMaxTab = 1000;
  if (size > kMaxTab) return ResourceExhausted("a tab of {} columns: at most {}", size, kMaxTab);
  std::string out;
  int64_t column = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(std::string_view(text).substr(at));
    if (c.code == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      RETURN_IF_ERROR(budget->Spend(static_cast<size_t>(spaces) / 16));
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += text.substr(at, c.size);
      column = c.code == '\n' || c.code == '\r' ? 0 : column + 1;
    }
    at += c.size;
  }
  return Value::String(std::move(out));
}

Result<Value> RemoveAffix(const std::string& text, bool prefix, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"affix"}, 1));
  ASSIGN_OR_RETURN(const std::string* affix, StringOf(bound[0]));
  if (!(prefix ? text.starts_with(*affix) : text.ends_with(*affix))) return Value::String(text);
  return Value::String(prefix ? text.substr(affix->size()) : text.substr(0, text.size() - affix->size()));
}

Result<Value> FormatMap(Interpreter& interpreter, const std::string& text, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"mapping"}, 1));
  if (bound[0].dict() == nullptr) return InvalidArgument("format_map of a {}", bound[0].TypeName());
  Arguments names;
  RETURN_IF_ERROR(interpreter.budget()->Spend(bound[0].dict()->items.size()));
  for (const auto& [key, value] : bound[0].dict()->items) {
    if (key.is_string()) names.keyword.emplace_back(key.string(), value);
  }
  ASSIGN_OR_RETURN(std::string out, BraceFormat(interpreter, text, names));
  return Value::String(std::move(out));
}

bool Is(const std::string& text, std::string_view name) {
  if (name == "isdigit") return AllCharacters(text, IsDigit);
  if (name == "isdecimal") return AllCharacters(text, IsDecimal);
  if (name == "isnumeric") return AllCharacters(text, IsNumeric);
  if (name == "isalpha") return AllCharacters(text, IsAlphabetic);
  if (name == "isalnum")
    return AllCharacters(text, [](char32_t c) { return IsAlphabetic(c) || IsNumeric(c); });
  if (name == "isascii") return text.empty() || AllCharacters(text, [](char32_t c) { return c < 0x80; });
  if (name == "isprintable") return text.empty() || AllCharacters(text, IsPrintable);
  if (name == "isidentifier") return IsIdentifier(text);
  if (name == "istitle") return IsTitle(text);
  if (name == "isupper" || name == "islower") return IsInCase(text, name == "isupper");
  return AllCharacters(text, IsPythonSpace);
}

// Calls methods without arguments.
Result<Value> CallPlain(const std::string& text, std::string_view name) {
  if (name == "upper") return Value::String(Upper(text));
  if (name == "lower") return Value::String(Lower(text));
  if (name == "title") return Value::String(TitleMethod(text));
  if (name == "capitalize") return Value::String(Capitalize(text));
  if (name == "swapcase") return Value::String(SwapCase(text));
  if (name == "casefold") return Value::String(FoldCase(text));
  return Value::Bool(Is(text, name));
}

}  // namespace

Result<Value> CallOnString(Interpreter& interpreter, const std::string& text, std::string_view name,
                           const Arguments& arguments) {
  Budget* budget = interpreter.budget();
  RETURN_IF_ERROR(budget->Spend(1 + text.size() / 16));
  ASSIGN_OR_RETURN(std::optional<Value> found, CallSearch(text, name, arguments, budget));
  if (found.has_value()) return std::move(*found);
  if (name == "strip" || name == "lstrip" || name == "rstrip") return Strip(text, name, arguments);
  if (name == "join") return Join(text, arguments, budget);
  if (name == "center" || name == "ljust" || name == "rjust") return Justify(text, name, arguments, budget);
  if (name == "zfill") return ZeroFill(text, arguments, budget);
  if (name == "expandtabs") return ExpandTabs(text, arguments, budget);
  if (name == "splitlines") {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"keepends"}));
    return ListOf(SplitLines(text, bound[0].Truthy()), budget);
  }
  if (name == "removeprefix" || name == "removesuffix")
    return RemoveAffix(text, name == "removeprefix", arguments);
  if (name == "format_map") return FormatMap(interpreter, text, arguments);
  if (name == "format") {
    ASSIGN_OR_RETURN(std::string out, BraceFormat(interpreter, text, arguments));
    return Value::String(std::move(out));
  }
  if (name == "encode" || name == "translate") return Unimplemented("the method '{}' is not supported", name);
  RETURN_IF_ERROR(Bind(arguments, {}));
  return CallPlain(text, name);
}

}  // namespace exeunt::text::jinja
