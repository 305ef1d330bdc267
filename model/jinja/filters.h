// Jinja's filters, by theme. Private to this folder.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "model/jinja/interpreter.h"

namespace exeunt::jinja {

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

// item.a.b.0 for "a.b.0"; `otherwise`, where there is one, for what is not there on the way.
Result<Value> AttributeOf(Interpreter& interpreter, const Value& item, const Value& path,
                          const std::optional<Value>& otherwise = std::nullopt);

}  // namespace exeunt::jinja
