// Jinja's filters, by theme. Private to this folder.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {

using Filter = Result<Value> (*)(Interpreter&, const Value&, const Arguments&);

struct NamedFilter {
  std::string_view name;
  Filter filter;
};

std::span<const NamedFilter> ValueFilters();   // filters.cc: of any value
std::span<const NamedFilter> NumberFilters();  // number_filters.cc
std::span<const NamedFilter> TextFilters();    // text_filters.cc
std::span<const NamedFilter> MarkupFilters();  // markup_filters.cc: HTML and addresses
std::span<const NamedFilter> ListFilters();    // list_filters.cc: picking and arranging items
std::span<const NamedFilter> OrderFilters();   // order_filters.cc: sorting, grouping, combining items

// A filter that makes its items one after another, as Python's generators do: what goes wrong on the way, the
// filter's arguments too, is an error for who reads so far.
using ItemsFilter = Status (*)(Interpreter&, const Value&, const Arguments&, std::vector<Value>* items);
template <ItemsFilter kFilter>
Result<Value> Lazy(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  std::vector<Value> items;
  const Status status = kFilter(interpreter, value, arguments, &items);
  if (status.has_value()) return Value::Generator(std::move(items));
  if (status.error().code == ErrorCode::kResourceExhausted) return status.error();
  return Value::Generator(std::move(items), status.error());
}

// item.a.b.0 for "a.b.0"; `otherwise`, where there is one, for what is not there on the way.
Result<Value> AttributeOf(Interpreter& interpreter, const Value& item, const Value& path,
                          const std::optional<Value>& otherwise = std::nullopt);

}  // namespace exeunt::text::jinja
