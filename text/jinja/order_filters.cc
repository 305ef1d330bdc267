// Jinja's filters that sort, group, compare and add the items of a list.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/python_text.h"

namespace exeunt::text::jinja {
namespace {

using Items = std::vector<Value>;

// The criterion by which items are compared.
struct KeyOptions {
  Value attribute;  // undefined or none: the item itself
  bool case_sensitive = false;
  std::optional<Value> otherwise = std::nullopt;
};

Result<Value> IgnoreCase(const Value& value, Budget* budget) {
  if (!value.is_string()) return value;
  RETURN_IF_ERROR(budget->Spend(value.string().size() / 16));
  return Value::String(Lower(value.string()));
}

Result<Value> KeyOf(Interpreter& interpreter, const Value& item, const KeyOptions& options) {
  Value key = item;
  if (!options.attribute.is_undefined() && !options.attribute.is_none()) {
    ASSIGN_OR_RETURN(key, AttributeOf(interpreter, item, options.attribute, options.otherwise));
  }
  return options.case_sensitive ? Result<Value>(key) : IgnoreCase(key, interpreter.budget());
}

Result<Items> KeysOf(Interpreter& interpreter, const Items& items, const KeyOptions& options) {
  Items keys;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(Value key, KeyOf(interpreter, item, options));
    keys.push_back(std::move(key));
  }
  return keys;
}

// A merge sort, because the comparison can fail. It sorts `keys`, and `items` along with them.
Status SortBy(Items* keys, Items* items, bool reverse, Budget* budget) {
  const size_t n = keys->size();
  for (size_t width = 1; width < n; width *= 2) {
    Items sorted_keys;
    Items sorted_items;
    for (size_t begin = 0; begin < n; begin += 2 * width) {
      const size_t middle = std::min(begin + width, n);
      const size_t end = std::min(begin + 2 * width, n);
      size_t left = begin;
      size_t right = middle;
      while (left < middle || right < end) {
        bool take_right = left >= middle;
        if (left < middle && right < end) {
          const Value& l = (*keys)[left];
          const Value& r = (*keys)[right];
          ASSIGN_OR_RETURN(take_right, reverse ? Less(l, r, budget) : Less(r, l, budget));
        }
        const size_t from = take_right ? right++ : left++;
        sorted_keys.push_back((*keys)[from]);
        sorted_items.push_back((*items)[from]);
      }
    }
    *keys = std::move(sorted_keys);
    *items = std::move(sorted_items);
  }
  return OkStatus();
}

// Returns the key of sort, which is a list of the attributes that are named with commas between them.
Result<Value> SortKey(Interpreter& interpreter, const Value& item, const KeyOptions& options) {
  if (!options.attribute.is_string()) return KeyOf(interpreter, item, options);
  Items parts;
  for (std::string& name : SplitText(options.attribute.string(), ",", -1)) {
    const KeyOptions one{Value::String(std::move(name)), options.case_sensitive};
    ASSIGN_OR_RETURN(Value part, KeyOf(interpreter, item, one));
    parts.push_back(std::move(part));
  }
  return Value::List(std::move(parts));
}

Result<Value> Sort(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"reverse", "case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(Items items, Iterate(value, interpreter.budget()));
  const KeyOptions options{bound[2], bound[1].Truthy()};
  Items keys;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(Value key, SortKey(interpreter, item, options));
    keys.push_back(std::move(key));
  }
  RETURN_IF_ERROR(SortBy(&keys, &items, bound[0].Truthy(), interpreter.budget()));
  return Value::List(std::move(items));
}

Result<Value> DictSort(Interpreter& interpreter, const Value& dict, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"case_sensitive", "by", "reverse"}));
  ASSIGN_OR_RETURN(const std::string by, StringOr(bound[1], "key"));
  if (by != "key" && by != "value")
    return InvalidArgument("dictsort by key or value, not '{}'", by.substr(0, 100));
  if (dict.is_undefined()) return dict.UndefinedError();
  if (dict.dict() == nullptr) return InvalidArgument("dictsort of a {}", dict.TypeName());
  Items keys;
  Items items;
  for (const auto& [key, value] : dict.dict()->items) {
    Value sort_key = by == "value" ? value : key;
    if (!bound[0].Truthy()) {
      ASSIGN_OR_RETURN(sort_key, IgnoreCase(sort_key, interpreter.budget()));
    }
    keys.push_back(std::move(sort_key));
    ASSIGN_OR_RETURN(Value item, Value::Tuple({key, value}));
    items.push_back(std::move(item));
  }
  RETURN_IF_ERROR(SortBy(&keys, &items, bound[2].Truthy(), interpreter.budget()));
  return Value::List(std::move(items));
}

Result<Value> GroupBy(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"attribute", "default", "case_sensitive"}, 1));
  ASSIGN_OR_RETURN(Items items, Iterate(value, interpreter.budget()));
  KeyOptions options{bound[0], bound[2].Truthy()};
  if (!bound[1].is_undefined() && !bound[1].is_none()) options.otherwise = bound[1];
  ASSIGN_OR_RETURN(Items keys, KeysOf(interpreter, items, options));
  RETURN_IF_ERROR(SortBy(&keys, &items, false, interpreter.budget()));
  options.case_sensitive = true;  // a group has the first item's own key
  Items groups;
  for (size_t begin = 0; begin < items.size();) {
    size_t end = begin + 1;
    for (; end < items.size(); ++end) {
      ASSIGN_OR_RETURN(const bool same, Equal(keys[begin], keys[end], interpreter.budget()));
      if (!same) break;
    }
    ASSIGN_OR_RETURN(Value grouper, KeyOf(interpreter, items[begin], options));
    ASSIGN_OR_RETURN(Value list, Value::List(Items(items.begin() + static_cast<int64_t>(begin),
                                                   items.begin() + static_cast<int64_t>(end))));
    ASSIGN_OR_RETURN(Value group, Value::Group(std::move(grouper), std::move(list)));
    groups.push_back(std::move(group));
    begin = end;
  }
  return Value::List(std::move(groups));
}

Status Unique(Interpreter& interpreter, const Value& value, const Arguments& arguments, Items* out) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  Items keys;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(Value key, KeyOf(interpreter, item, {bound[1], bound[0].Truthy()}));
    if (!key.Hashable()) return InvalidArgument("unique of items that are {}", key.TypeName());
    bool seen = false;
    for (const Value& other : keys) {
      ASSIGN_OR_RETURN(seen, Equal(other, key, interpreter.budget()));
      if (seen) break;
    }
    if (seen) continue;
    keys.push_back(std::move(key));
    out->push_back(item);
  }
  return OkStatus();
}

Result<Value> Extreme(Interpreter& interpreter, const Value& value, const Arguments& arguments,
                      bool largest) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  if (items.empty()) return Value::Missing("an item of nothing");
  ASSIGN_OR_RETURN(const Items keys, KeysOf(interpreter, items, {bound[1], bound[0].Truthy()}));
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i) {
    ASSIGN_OR_RETURN(const bool better, largest ? Less(keys[best], keys[i], interpreter.budget())
                                                : Less(keys[i], keys[best], interpreter.budget()));
    if (better) best = i;
  }
  return items[best];
}

Result<Value> Min(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return Extreme(interpreter, value, arguments, false);
}

Result<Value> Max(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  return Extreme(interpreter, value, arguments, true);
}

Result<Value> Sum(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"attribute", "start"}));
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  Value sum = bound[1].is_undefined() ? Value::Int(0) : bound[1];
  if (sum.is_string()) return InvalidArgument("sum of strings: use join");
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const Value part, KeyOf(interpreter, item, {bound[0], true}));
    ASSIGN_OR_RETURN(sum, Arithmetic("+", sum, part, interpreter.budget()));
  }
  return sum;
}

constexpr std::array kFilters = {
    NamedFilter{"sort", Sort},       NamedFilter{"dictsort", DictSort},
    NamedFilter{"groupby", GroupBy}, NamedFilter{"unique", Lazy<Unique>},
    NamedFilter{"min", Min},         NamedFilter{"max", Max},
    NamedFilter{"sum", Sum},
};

}  // namespace

std::span<const NamedFilter> OrderFilters() { return kFilters; }

}  // namespace exeunt::text::jinja
