// Jinja's filters for any value, and the table of all filters.
#include "text/jinja/filters.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja/methods.h"
#include "text/jinja/pretty_print.h"

namespace exeunt::text::jinja {
namespace {

Result<Value> LengthFilter(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(const int64_t length, Length(value, interpreter.budget()));
  return Value::Int(length);
}

Result<Value> Default(Interpreter&, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"default_value", "boolean"}));
  const bool missing = value.is_undefined() || (bound[1].Truthy() && !value.Truthy());
  if (!missing) return value;
  const bool given = !arguments.positional.empty() || !bound[0].is_undefined();
  return given ? bound[0] : Value::String("");
}

Result<Value> String(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (value.is_string()) return value;
  ASSIGN_OR_RETURN(std::string text, ToText(value, interpreter.budget()));
  return Value::String(std::move(text));
}

Status Items(Interpreter& interpreter, const Value& value, const Arguments& arguments,
             std::vector<Value>* out) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (value.is_undefined()) return OkStatus();
  if (value.dict() == nullptr) return InvalidArgument("items of a {}", value.TypeName());
  ASSIGN_OR_RETURN(const Value view, CallMethod(interpreter, value, "items", {}));
  *out = view.sequence()->items;
  return OkStatus();
}

// Returns value.name, never value["name"].
Result<Value> Attr(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"name"}, 1));
  if (!bound[0].is_string()) return InvalidArgument("attr: a {} as a name", bound[0].TypeName());
  const std::string& name = bound[0].string();
  if (value.dict() == nullptr) return interpreter.GetAttribute(value, name);
  if (IsForbidden(value, name)) return Value::Forbidden(name, value.TypeName());
  return HasMethod(value, name) ? Value::OfMethod(value, name) : Value::Missing(name);
}

Result<Value> Json(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  constexpr int64_t kMaxIndent = 100;
  JsonOptions options;
  options.ensure_ascii = bound[0].Truthy();
  if (bound[1].is_string()) {
    if (bound[1].string().size() > kMaxIndent)
      return InvalidArgument("an indent of {} bytes: at most {}", bound[1].string().size(), kMaxIndent);
    options.indent = bound[1].string();
  } else if (!bound[1].is_undefined() && !bound[1].is_none()) {
    ASSIGN_OR_RETURN(const int64_t indent, IntOf(bound[1]));
    if (indent > kMaxIndent) return InvalidArgument("an indent of {}: at most {}", indent, kMaxIndent);
    options.indent = std::string(static_cast<size_t>(std::max<int64_t>(indent, 0)), ' ');
  }
  options.sort_keys = bound[3].Truthy();
  if (!bound[2].is_undefined() && !bound[2].is_none()) {
    const ListData* separators = bound[2].list();
    if (separators == nullptr || separators->items.size() != 2 || !separators->items[0].is_string() ||
        !separators->items[1].is_string()) {
      return InvalidArgument("separators: two strings are needed");
    }
    options.item_separator = separators->items[0].string();
    options.key_separator = separators->items[1].string();
  }
  ASSIGN_OR_RETURN(std::string text, ToJson(value, options, interpreter.budget()));
  return Value::String(std::move(text));
}

Result<Value> PrettyPrint(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(std::string text, PrettyText(value, interpreter.budget()));
  return Value::String(std::move(text));
}

Result<Value> Random(Interpreter&, const Value&, const Arguments&) {
  return Unimplemented("the filter 'random' is not supported: a prompt that changes cannot be repeated");
}

constexpr std::array kFilters = {
    NamedFilter{"length", LengthFilter}, NamedFilter{"count", LengthFilter},
    NamedFilter{"default", Default},     NamedFilter{"d", Default},
    NamedFilter{"string", String},       NamedFilter{"items", Lazy<Items>},
    NamedFilter{"attr", Attr},           NamedFilter{"tojson", Json},
    NamedFilter{"pprint", PrettyPrint},  NamedFilter{"random", Random},
};

Filter FindFilter(std::string_view name) {
  for (const auto& filters :
       {ValueFilters(), TextFilters(), ListFilters(), OrderFilters(), NumberFilters(), MarkupFilters()}) {
    for (const NamedFilter& known : filters) {
      if (known.name == name) return known.filter;
    }
  }
  return nullptr;
}

}  // namespace

std::span<const NamedFilter> ValueFilters() { return kFilters; }

bool IsFilter(std::string_view name) { return FindFilter(name) != nullptr; }

Result<Value> Interpreter::ApplyFilter(std::string_view name, const Value& value,
                                       const Arguments& arguments) {
  RETURN_IF_ERROR(budget_.Spend(1));
  const Filter filter = FindFilter(name);
  if (filter != nullptr) return filter(*this, value, arguments);
  return Unimplemented("the filter '{}' is not supported", name.substr(0, 100));
}

}  // namespace exeunt::text::jinja
