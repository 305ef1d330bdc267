#include "text/jinja/pretty_print.h"

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

constexpr int64_t kWidth = 80;

// Returns the same value with the keys of all dicts in order.
Result<Value> Ordered(const Value& value, Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(4));
  if (value.list() != nullptr) {
    std::vector<Value> items;
    for (const Value& item : value.list()->items) {
      ASSIGN_OR_RETURN(Value ordered, Ordered(item, budget));
      items.push_back(std::move(ordered));
    }
    return value.is_tuple() ? Value::Tuple(std::move(items)) : Value::List(std::move(items));
  }
  if (value.dict() == nullptr) return value;
  std::vector<std::pair<Value, Value>> items;
  for (const auto& [key, item] : value.dict()->items) {
    ASSIGN_OR_RETURN(Value ordered, Ordered(item, budget));
    items.emplace_back(key, std::move(ordered));
  }
  for (size_t i = 1; i < items.size(); ++i) {
    for (size_t j = i; j > 0; --j) {
      RETURN_IF_ERROR(budget->Spend(1));
      const Result<bool> less = Less(items[j].first, items[j - 1].first, budget);
      // Keys without an order are sorted by the names of their types.
      const bool before = less.has_value()
                              ? *less
                              : std::string_view(items[j].first.TypeName()) < items[j - 1].first.TypeName();
      if (!before) break;
      std::swap(items[j], items[j - 1]);
    }
  }
  return Value::Dict(std::move(items), budget);
}

// Writes `value` at column `indent` and leaves `allowance` columns free behind it.
Status Write(const Value& value, int64_t indent, int64_t allowance, Budget* budget, std::string* out) {
  ASSIGN_OR_RETURN(const std::string text, ToRepr(value, budget));
  const bool is_long = static_cast<int64_t>(CountCharacters(text)) > kWidth - indent - allowance;
  if (!is_long || (value.list() == nullptr && value.dict() == nullptr) || !value.Truthy()) {
    *out += text;
    return OkStatus();
  }
  const std::string newline = ",\n" + std::string(static_cast<size_t>(indent + 1), ' ');
  RETURN_IF_ERROR(budget->Spend(static_cast<size_t>(indent) / 16));
  if (value.dict() != nullptr) {
    *out += '{';
    const auto& items = value.dict()->items;
    for (size_t i = 0; i < items.size(); ++i) {
      ASSIGN_OR_RETURN(const std::string key, ToRepr(items[i].first, budget));
      *out += (i > 0 ? newline : "") + key + ": ";
      const auto at = indent + 1 + static_cast<int64_t>(CountCharacters(key)) + 2;
      RETURN_IF_ERROR(Write(items[i].second, at, i + 1 == items.size() ? allowance + 1 : 1, budget, out));
    }
    *out += '}';
    return OkStatus();
  }
  const auto& items = value.list()->items;
  const std::string end = !value.is_tuple() ? "]" : items.size() == 1 ? ",)" : ")";
  *out += value.is_tuple() ? '(' : '[';
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) *out += newline;
    const auto after = i + 1 == items.size() ? allowance + static_cast<int64_t>(end.size()) : 1;
    RETURN_IF_ERROR(Write(items[i], indent + 1, after, budget, out));
  }
  *out += end;
  return OkStatus();
}

}  // namespace

Result<std::string> PrettyText(const Value& value, Budget* budget) {
  ASSIGN_OR_RETURN(const Value ordered, Ordered(value, budget));
  std::string out;
  RETURN_IF_ERROR(Write(ordered, 0, 0, budget, &out));
  return out;
}

}  // namespace exeunt::text::jinja
