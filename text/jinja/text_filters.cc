// Jinja's filters for texts.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"
#include "text/jinja/text_format.h"
#include "text/jinja/word_wrap.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

// A filter on str(value) without arguments.
template <std::string (*F)(std::string_view)>
Result<Value> TextFilter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  return Value::String(F(text));
}

// Calls a method of str(value).
Result<Value> Method(Interpreter& interpreter, const Value& value, std::string_view name,
                     const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  return CallMethod(interpreter, Value::String(text), name, arguments);
}

Result<Value> Trim(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return Method(interpreter, value, "strip", arguments);
}

Result<Value> Center(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"width"}));
  const Value width = bound[0].is_undefined() ? Value::Int(80) : bound[0];
  return Method(interpreter, value, "center", {.positional = {width}, .keyword = {}});
}

Result<Value> Replace(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"old", "new", "count"}, 2));
  Arguments of_method;
  for (size_t i = 0; i < 2; ++i) {
    ASSIGN_OR_RETURN(std::string part, ToText(bound[i], interpreter.budget()));
    of_method.positional.push_back(Value::String(std::move(part)));
  }
  ASSIGN_OR_RETURN(const int64_t count, IntOr(bound[2], -1));
  of_method.positional.push_back(Value::Int(count));
  return Method(interpreter, value, "replace", of_method);
}

Result<Value> Format(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty())
    return InvalidArgument("format takes values or names, not both");
  ASSIGN_OR_RETURN(Value values, Value::Tuple(arguments.positional));
  if (!arguments.keyword.empty()) {
    std::vector<std::pair<Value, Value>> names;
    for (const auto& [name, argument] : arguments.keyword) names.emplace_back(Value::String(name), argument);
    ASSIGN_OR_RETURN(values, Value::Dict(std::move(names), interpreter.budget()));
  }
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  return Arithmetic("%", value.is_markup() ? value : Value::String(text), values, interpreter.budget());
}

Result<const std::string*> StringOf(const Value& value, std::string_view filter) {
  if (value.is_undefined()) return value.UndefinedError();
  if (!value.is_string()) return InvalidArgument("{} of a {}", filter, value.TypeName());
  return &value.string();
}

Result<Value> Indent(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"width", "first", "blank"}));
  ASSIGN_OR_RETURN(const std::string* text, StringOf(value, "indent"));
  std::string by = "    ";
  if (bound[0].is_string()) {
    by = bound[0].string();
  } else if (!bound[0].is_undefined()) {
    constexpr int64_t kMaxIndent = 1000;
    ASSIGN_OR_RETURN(const int64_t width, IntOf(bound[0]));
    if (width > kMaxIndent) return ResourceExhausted("an indent of {}: at most {}", width, kMaxIndent);
    by.assign(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
  }
  const std::vector<std::string> lines = SplitLines(*text + "\n", false);
  if (lines.size() > kMaxParts) return ResourceExhausted("indent of more than {} lines", kMaxParts);
  RETURN_IF_ERROR(interpreter.budget()->Spend(text->size() / 16 + lines.size() * (1 + by.size() / 16)));
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    const bool indented = i == 0 ? bound[1].Truthy() : bound[2].Truthy() || !lines[i].empty();
    if (indented) out += by;
    out += lines[i];
  }
  return value.is_markup() ? Value::Markup(std::move(out)) : Value::String(std::move(out));
}

Result<Value> Truncate(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"length", "killwords", "end", "leeway"}));
  ASSIGN_OR_RETURN(const int64_t length, IntOr(bound[0], 255));
  ASSIGN_OR_RETURN(const std::string end, StringOr(bound[2], "..."));
  ASSIGN_OR_RETURN(const int64_t leeway, IntOr(bound[3], 5));
  const auto end_size = static_cast<int64_t>(CountCharacters(end));
  if (length < end_size) return InvalidArgument("truncate to {} characters: at least {}", length, end_size);
  if (leeway < 0) return InvalidArgument("truncate with a leeway of {}: at least 0", leeway);
  ASSIGN_OR_RETURN(const int64_t size, Length(value, interpreter.budget()));
  if (size <= length || size - length <= leeway) return value;
  ASSIGN_OR_RETURN(const std::string* text, StringOf(value, "truncate"));
  ASSIGN_OR_RETURN(const Value kept, Slice(Value::String(*text), Value::Int(0), Value::Int(length - end_size),
                                           Value::None(), interpreter.budget()));
  std::string out = kept.string();
  if (!bound[1].Truthy()) out = out.substr(0, std::min(out.rfind(' '), out.size()));
  return Value::String(out + end);
}

Result<Value> WordWrap(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound,
                   Bind(arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"}));
  ASSIGN_OR_RETURN(const std::string* text, StringOf(value, "wordwrap"));
  WrapOptions options;
  ASSIGN_OR_RETURN(options.width, IntOr(bound[0], 79));
  options.break_long_words = bound[1].is_undefined() || bound[1].Truthy();
  options.break_on_hyphens = bound[3].is_undefined() || bound[3].Truthy();
  ASSIGN_OR_RETURN(const std::string newline, StringOr(bound[2], "\n"));
  if (options.width <= 0 && !text->empty())
    return InvalidArgument("wordwrap to a width of {}: at least 1", options.width);
  const std::vector<std::string> paragraphs = SplitLines(*text, false);
  if (paragraphs.size() > kMaxParts) return ResourceExhausted("wordwrap of more than {} lines", kMaxParts);
  RETURN_IF_ERROR(interpreter.budget()->Spend(1 + text->size() * (1 + newline.size() / 16)));
  std::string out;
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    if (i > 0) out += newline;
    const std::vector<std::string> lines = WrapText(paragraphs[i], options);
    for (size_t j = 0; j < lines.size(); ++j) out += (j > 0 ? newline : "") + lines[j];
  }
  return Value::String(std::move(out));
}

Result<Value> WordCount(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  int64_t n = 0;
  bool in_word = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(std::string_view(text).substr(at));
    const bool word = c.code == '_' || IsAlphabetic(c.code) || IsNumeric(c.code);
    n += word && !in_word ? 1 : 0;
    in_word = word;
    at += c.size;
  }
  return Value::Int(n);
}

constexpr std::array kFilters = {
    NamedFilter{"trim", Trim},
    NamedFilter{"upper", TextFilter<Upper>},
    NamedFilter{"lower", TextFilter<Lower>},
    NamedFilter{"capitalize", TextFilter<Capitalize>},
    NamedFilter{"title", TextFilter<TitleFilter>},
    NamedFilter{"center", Center},
    NamedFilter{"replace", Replace},
    NamedFilter{"format", Format},
    NamedFilter{"indent", Indent},
    NamedFilter{"truncate", Truncate},
    NamedFilter{"wordwrap", WordWrap},
    NamedFilter{"wordcount", WordCount},
};

}  // namespace

std::span<const NamedFilter> TextFilters() { return kFilters; }

}  // namespace exeunt::text::jinja
