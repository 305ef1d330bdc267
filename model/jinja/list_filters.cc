// Jinja's filters that pick, order and combine the items of a list.
#include <algorithm>
#include <optional>

#include "base/error.h"
#include "model/jinja/interpreter.h"
#include "model/jinja/operators.h"
#include "model/jinja/python_text.h"

namespace exeunt::jinja {

Result<std::optional<Value>> ApplyListFilter(Interpreter& interpreter, std::string_view name,
                                             const Value& value, const Arguments& arguments);

namespace {

using Items = std::vector<Value>;

// The arguments after the first `n`.
Arguments Rest(const Arguments& arguments, size_t n) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<int64_t>(std::min(n, rest.positional.size())));
  return rest;
}

// map(attribute=..., default=...) or map(filter, its arguments).
Result<Value> Map(Interpreter& interpreter, const Items& items, const Arguments& arguments) {
  Items out;
  if (arguments.positional.empty()) {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"attribute", "default"}));
    if (bound[0].is_undefined()) return InvalidArgument("map needs a filter or an attribute");
    for (const Value& item : items) {
      ASSIGN_OR_RETURN(Value part, interpreter.GetPath(item, bound[0]));
      out.push_back(part.is_undefined() && !bound[1].is_undefined() ? bound[1] : std::move(part));
    }
  } else {
    const Value& filter = arguments.positional[0];
    if (!filter.is_string()) return InvalidArgument("map: a {} as the name of a filter", filter.TypeName());
    for (const Value& item : items) {
      ASSIGN_OR_RETURN(Value mapped, interpreter.ApplyFilter(filter.string(), item, Rest(arguments, 1)));
      out.push_back(std::move(mapped));
    }
  }
  return Value::List(std::move(out));
}

// select, reject, selectattr, rejectattr.
Result<Value> Select(Interpreter& interpreter, const Items& items, const Arguments& arguments,
                     bool by_attribute, bool wanted) {
  const size_t test_at = by_attribute ? 1 : 0;
  const bool has_test = arguments.positional.size() > test_at;
  if (arguments.positional.size() < test_at) return InvalidArgument("the name of an attribute is needed");
  if (has_test && !arguments.positional[test_at].is_string())
    return InvalidArgument("the name of a test is needed");
  Items out;
  for (const Value& item : items) {
    Value subject = item;
    if (by_attribute) {
      ASSIGN_OR_RETURN(subject, interpreter.GetPath(item, arguments.positional[0]));
    }
    bool holds = subject.Truthy();
    if (has_test) {
      const std::string& test = arguments.positional[test_at].string();
      ASSIGN_OR_RETURN(holds, interpreter.ApplyTest(test, subject, Rest(arguments, test_at + 1)));
    }
    if (holds == wanted) out.push_back(item);
  }
  return Value::List(std::move(out));
}

Result<Value> IgnoreCase(const Value& value, Budget* budget) {
  if (!value.is_string()) return value;
  RETURN_IF_ERROR(budget->Spend(value.string().size() / 16));
  return Value::String(Lower(value.string()));
}

// A merge sort, as the comparison can fail: sorts `keys`, and `items` along with them.
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

Result<Value> Sort(Interpreter& interpreter, Items items, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"reverse", "case_sensitive", "attribute"}));
  Items keys;
  for (const Value& item : items) {
    Value key = item;
    if (!bound[2].is_undefined()) {
      ASSIGN_OR_RETURN(key, interpreter.GetPath(item, bound[2]));
    }
    if (!bound[1].Truthy()) {
      ASSIGN_OR_RETURN(key, IgnoreCase(key, interpreter.budget()));
    }
    keys.push_back(std::move(key));
  }
  RETURN_IF_ERROR(SortBy(&keys, &items, bound[0].Truthy(), interpreter.budget()));
  return Value::List(std::move(items));
}

Result<Value> DictSort(Interpreter& interpreter, const Value& dict, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"case_sensitive", "by", "reverse"}));
  const bool by_value = bound[1].is_string() && bound[1].string() == "value";
  Items keys;
  Items items;
  for (const auto& [key, value] : dict.dict()->items) {
    Value sort_key = by_value ? value : key;
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

Result<Value> Unique(Interpreter& interpreter, const Items& items, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"case_sensitive", "attribute"}));
  Items keys;
  Items out;
  for (const Value& item : items) {
    Value key = item;
    if (!bound[1].is_undefined()) {
      ASSIGN_OR_RETURN(key, interpreter.GetPath(item, bound[1]));
    }
    if (!bound[0].Truthy()) {
      ASSIGN_OR_RETURN(key, IgnoreCase(key, interpreter.budget()));
    }
    bool seen = false;
    for (const Value& other : keys) {
      ASSIGN_OR_RETURN(seen, Equal(other, key, interpreter.budget()));
      if (seen) break;
    }
    if (seen) continue;
    keys.push_back(std::move(key));
    out.push_back(item);
  }
  return Value::List(std::move(out));
}

Result<Value> Extreme(Interpreter& interpreter, const Items& items, const Arguments& arguments,
                      bool largest) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"case_sensitive", "attribute"}));
  if (items.empty()) return Value::Missing("an item of nothing");
  size_t best = 0;
  Value best_key;
  for (size_t i = 0; i < items.size(); ++i) {
    Value key = items[i];
    if (!bound[1].is_undefined()) {
      ASSIGN_OR_RETURN(key, interpreter.GetPath(items[i], bound[1]));
    }
    if (!bound[0].Truthy()) {
      ASSIGN_OR_RETURN(key, IgnoreCase(key, interpreter.budget()));
    }
    bool better = i == 0;
    if (i > 0) {
      ASSIGN_OR_RETURN(better, largest ? Less(best_key, key, interpreter.budget())
                                       : Less(key, best_key, interpreter.budget()));
    }
    if (!better) continue;
    best = i;
    best_key = std::move(key);
  }
  return items[best];
}

Result<Value> Sum(Interpreter& interpreter, const Items& items, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"attribute", "start"}));
  Value sum = bound[1].is_undefined() ? Value::Int(0) : bound[1];
  for (const Value& item : items) {
    Value part = item;
    if (!bound[0].is_undefined() && !bound[0].is_none()) {
      ASSIGN_OR_RETURN(part, interpreter.GetPath(item, bound[0]));
    }
    ASSIGN_OR_RETURN(sum, Arithmetic("+", sum, part, interpreter.budget()));
  }
  return sum;
}

Result<Value> Apply(Interpreter& interpreter, std::string_view name, const Value& value,
                    const Arguments& arguments) {
  if (name == "dictsort") {
    if (value.dict() == nullptr) return InvalidArgument("dictsort of a {}", value.TypeName());
    return DictSort(interpreter, value, arguments);
  }
  ASSIGN_OR_RETURN(Items items, Iterate(value, interpreter.budget()));
  if (name == "map") return Map(interpreter, items, arguments);
  if (name == "sort") return Sort(interpreter, std::move(items), arguments);
  if (name == "unique") return Unique(interpreter, items, arguments);
  if (name == "min" || name == "max") return Extreme(interpreter, items, arguments, name == "max");
  if (name == "sum") return Sum(interpreter, items, arguments);
  return Select(interpreter, items, arguments, name.ends_with("attr"), name.starts_with("select"));
}

}  // namespace

Result<std::optional<Value>> ApplyListFilter(Interpreter& interpreter, std::string_view name,
                                             const Value& value, const Arguments& arguments) {
  for (const std::string_view known : {"map", "select", "reject", "selectattr", "rejectattr", "sort",
                                       "dictsort", "unique", "min", "max", "sum"}) {
    if (known != name) continue;
    ASSIGN_OR_RETURN(Value result, Apply(interpreter, name, value, arguments));
    return std::optional<Value>(std::move(result));
  }
  return std::optional<Value>();
}

}  // namespace exeunt::jinja
