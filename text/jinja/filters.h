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

std::span<const NamedFilter> ValueFilters();   // filters.cc: any value
std::span<const NamedFilter> NumberFilters();  // number_filters.cc
std::span<const NamedFilter> TextFilters();    // text_filters.cc
std::span<const NamedFilter> MarkupFilters();  // markup_filters.cc: HTML and addresses
std::span<const NamedFilter> ListFilters();    // list_filters.cc: choosing and arranging items
std::span<const NamedFilter> OrderFilters();   // order_filters.cc: sorting, grouping, combining items

// A filter that makes its items one after another, like Python's generators. An error on the way, also one of
// the filter's arguments, only occurs for a reader that gets so far.
using ItemsFilter = Status (*)(Interpreter&, const Value&, const Arguments&, std::vector<Value>* items);
template <ItemsFilter kFilter>
Result<Value> Lazy(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  std::vector<Value> items;
  const Status status = kFilter(interpreter, value, arguments, &items);
  if (status.has_value()) return Value::Generator(std::move(items));
  if (status.error().code == ErrorCode::kResourceExhausted) return status.error();
  return Value::Generator(std::move(items), status.error());
}

// Returns item.a.b.0 for "a.b.0". A missing attribute on the way gives `otherwise`, if there is one.
Result<Value> AttributeOf(Interpreter& interpreter, const Value& item, const Value& path,
                          const std::optional<Value>& otherwise = std::nullopt);

}  // namespace exeunt::text::jinja
