// Jinja's filters.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "model/jinja/interpreter.h"
#include "model/jinja/operators.h"
#include "model/jinja/python_text.h"
#include "model/utf8.h"

namespace exeunt::jinja {
namespace {

using Filter = Result<Value> (*)(Interpreter&, const Value&, const Arguments&);

// A filter on str(value) without arguments.
template <std::string (*F)(std::string_view)>
Result<Value> TextFilter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  return Value::String(F(text));
}

std::string Same(std::string_view text) { return std::string(text); }

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

Result<int64_t> IntOr(const Value& value, int64_t otherwise) {
  if (value.is_undefined() || value.is_none()) return otherwise;
  if (!value.is_int() && !value.is_bool()) return InvalidArgument("{} instead of an int", value.TypeName());
  return value.integer();
}

Result<Value> Trim(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  return CallMethod(Value::String(text), "strip", arguments, interpreter.budget());
}

Result<Value> Length(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.is_undefined()) return Value::Int(0);
  if (value.is_string()) {
    RETURN_IF_ERROR(interpreter.budget()->Spend(value.string().size() / 16));
    return Value::Int(static_cast<int64_t>(CountCharacters(value.string())));
  }
  if (value.list() != nullptr) return Value::Int(static_cast<int64_t>(value.list()->items.size()));
  if (value.dict() != nullptr) return Value::Int(static_cast<int64_t>(value.dict()->items.size()));
  return InvalidArgument("a {} has no length", value.TypeName());
}

Result<Value> Default(Interpreter&, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"default_value", "boolean"}));
  const bool missing = value.is_undefined() || (bound[1].Truthy() && !value.Truthy());
  if (!missing) return value;
  return bound[0].is_undefined() ? Value::String("") : bound[0];
}

Result<Value> Join(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"d", "attribute"}));
  ASSIGN_OR_RETURN(const auto items, Iterate(value, interpreter.budget()));
  ASSIGN_OR_RETURN(const std::string separator, ToText(bound[0], interpreter.budget()));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (!bound[1].is_undefined()) {
      ASSIGN_OR_RETURN(item, interpreter.GetPath(item, bound[1]));
    }
    ASSIGN_OR_RETURN(const std::string text, ToText(item, interpreter.budget()));
    RETURN_IF_ERROR(interpreter.budget()->Spend(separator.size() / 16));
    if (i > 0) out += separator;
    out += text;
  }
  return Value::String(std::move(out));
}

Result<Value> Replace(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"old", "new", "count"}));
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  Arguments of_method;
  for (size_t i = 0; i < 2; ++i) {
    ASSIGN_OR_RETURN(std::string part, ToText(bound[i], interpreter.budget()));
    of_method.positional.push_back(Value::String(std::move(part)));
  }
  ASSIGN_OR_RETURN(const int64_t count, IntOr(bound[2], -1));
  of_method.positional.push_back(Value::Int(count));
  return CallMethod(Value::String(text), "replace", of_method, interpreter.budget());
}

Result<Value> First(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.is_string()) return interpreter.GetItem(value, Value::Int(0));
  ASSIGN_OR_RETURN(const auto items, Iterate(value, interpreter.budget()));
  return items.empty() ? Value::Missing("the first item of nothing") : items.front();
}

Result<Value> Last(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.is_string()) return interpreter.GetItem(value, Value::Int(-1));
  ASSIGN_OR_RETURN(const auto items, Iterate(value, interpreter.budget()));
  return items.empty() ? Value::Missing("the last item of nothing") : items.back();
}

Result<Value> List(Interpreter& interpreter, const Value& value, const Arguments&) {
  ASSIGN_OR_RETURN(auto items, Iterate(value, interpreter.budget()));
  return Value::List(std::move(items));
}

Result<Value> Items(Interpreter& interpreter, const Value& value, const Arguments&) {
  if (value.is_undefined()) return Value::List({});
  if (value.dict() == nullptr) return InvalidArgument("items of a {}", value.TypeName());
  return CallMethod(value, "items", {}, interpreter.budget());
}

Result<Value> Reverse(Interpreter& interpreter, const Value& value, const Arguments&) {
  ASSIGN_OR_RETURN(auto items, Iterate(value, interpreter.budget()));
  std::ranges::reverse(items);
  if (!value.is_string()) return Value::List(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.string();
  return Value::String(std::move(text));
}

Result<Value> Int(Interpreter&, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"default", "base"}));
  if (!bound[1].is_undefined()) return Unimplemented("the base of the filter int");
  if (value.is_undefined()) return InvalidArgument("'{}' is undefined", value.name());
  const Value otherwise = bound[0].is_undefined() ? Value::Int(0) : bound[0];
  if (value.is_int() || value.is_bool()) return Value::Int(value.integer());
  double number = NAN;
  if (value.is_float()) number = value.number();
  if (value.is_string()) {
    const std::string_view text = StripRight(StripLeft(value.string(), ""), "");
    const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
    int64_t integer = 0;
    const char* end = digits.data() + digits.size();
    if (const auto [at, error] = std::from_chars(digits.data(), end, integer);
        error == std::errc() && at == end) {
      return Value::Int(integer);
    }
    if (const auto [at, error] = std::from_chars(digits.data(), end, number);
        error != std::errc() || at != end) {
      return otherwise;
    }
  }
  if (!(std::fabs(number) < 9e18)) return otherwise;
  return Value::Int(static_cast<int64_t>(number));
}

Result<Value> Float(Interpreter&, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"default"}));
  if (value.is_undefined()) return InvalidArgument("'{}' is undefined", value.name());
  if (value.is_number()) return Value::Float(value.number());
  if (value.is_string()) {
    const std::string_view text = StripRight(StripLeft(value.string(), ""), "");
    const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
    double number = 0.0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc() && at == digits.data() + digits.size()) return Value::Float(number);
  }
  return bound[0].is_undefined() ? Value::Float(0.0) : bound[0];
}

Result<Value> Abs(Interpreter&, const Value& value, const Arguments&) {
  if (!value.is_number()) return InvalidArgument("the absolute value of a {}", value.TypeName());
  return value.number() < 0 ? Negate(value)
                            : Result<Value>(value.is_bool() ? Value::Int(value.integer()) : value);
}

Result<Value> Indent(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"width", "first", "blank"}));
  ASSIGN_OR_RETURN(const std::string text, ToText(value, interpreter.budget()));
  std::string by;
  if (bound[0].is_string()) {
    by = bound[0].string();
  } else {
    ASSIGN_OR_RETURN(const int64_t width, IntOr(bound[0], 4));
    by.assign(static_cast<size_t>(std::clamp<int64_t>(width, 0, 1000)), ' ');
  }
  const std::vector<std::string> lines = SplitLines(text + "\n", false);
  if (lines.size() > kMaxParts) return ResourceExhausted("indent of more than {} lines", kMaxParts);
  RETURN_IF_ERROR(interpreter.budget()->Spend(lines.size() * (1 + by.size() / 16)));
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += '\n';
    const bool indented = i == 0 ? bound[1].Truthy() : bound[2].Truthy() || !lines[i].empty();
    if (indented) out += by;
    out += lines[i];
  }
  return Value::String(std::move(out));
}

Result<Value> Json(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonOptions options;
  options.ensure_ascii = bound[0].Truthy();
  ASSIGN_OR_RETURN(const int64_t indent, IntOr(bound[1], -1));
  if (indent > 100) return InvalidArgument("an indent of {}: at most 100", indent);
  const bool has_indent = bound[1].is_int() || bound[1].is_bool();
  options.indent = has_indent ? static_cast<int>(std::max<int64_t>(indent, 0)) : -1;
  options.sort_keys = bound[3].Truthy();
  if (bound[2].list() != nullptr) {
    const auto& separators = bound[2].list()->items;
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      return InvalidArgument("separators: two strings are needed");
    }
    options.item_separator = separators[0].string();
    options.key_separator = separators[1].string();
  }
  ASSIGN_OR_RETURN(std::string text, ToJson(value, options, interpreter.budget()));
  return Value::String(std::move(text));
}

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

constexpr std::array kFilters = {
    NamedFilter{"trim", Trim},
    NamedFilter{"length", Length},
    NamedFilter{"count", Length},
    NamedFilter{"upper", TextFilter<Upper>},
    NamedFilter{"lower", TextFilter<Lower>},
    NamedFilter{"capitalize", TextFilter<Capitalize>},
    NamedFilter{"title", TextFilter<TitleFilter>},
    NamedFilter{"string", TextFilter<Same>},
    NamedFilter{"safe", TextFilter<Same>},
    NamedFilter{"escape", TextFilter<Escaped>},
    NamedFilter{"e", TextFilter<Escaped>},
    NamedFilter{"default", Default},
    NamedFilter{"d", Default},
    NamedFilter{"join", Join},
    NamedFilter{"replace", Replace},
    NamedFilter{"first", First},
    NamedFilter{"last", Last},
    NamedFilter{"list", List},
    NamedFilter{"items", Items},
    NamedFilter{"reverse", Reverse},
    NamedFilter{"int", Int},
    NamedFilter{"float", Float},
    NamedFilter{"abs", Abs},
    NamedFilter{"indent", Indent},
    NamedFilter{"tojson", Json},
};

}  // namespace

// In list_filters.cc.
Result<std::optional<Value>> ApplyListFilter(Interpreter& interpreter, std::string_view name,
                                             const Value& value, const Arguments& arguments);

Result<Value> Interpreter::ApplyFilter(std::string_view name, const Value& value,
                                       const Arguments& arguments) {
  RETURN_IF_ERROR(budget_.Spend(1));
  for (const NamedFilter& known : kFilters) {
    if (known.name == name) return known.filter(*this, value, arguments);
  }
  ASSIGN_OR_RETURN(const std::optional<Value> result, ApplyListFilter(*this, name, value, arguments));
  if (result.has_value()) return *result;
  return Unimplemented("the filter '{}' is not supported", name.substr(0, 100));
}

}  // namespace exeunt::jinja
