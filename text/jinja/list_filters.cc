// Jinja's filters that choose, change and arrange the items of a list.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/python_text.h"

namespace exeunt::text::jinja {
namespace {

using Items = std::vector<Value>;

// Returns the arguments after the first `n`.
Arguments Rest(const Arguments& arguments, size_t n) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<int64_t>(std::min(n, rest.positional.size())));
  return rest;
}

// map(attribute=..., default=...) or map(filter, its arguments). As in select and similar filters, falsy
// values such as none have no items.
Status Map(Interpreter& interpreter, const Value& value, const Arguments& arguments, Items* out) {
  if (!value.Truthy()) return OkStatus();
  if (arguments.positional.empty()) {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"attribute", "default"}));
    if (bound[0].is_undefined()) return InvalidArgument("map needs a filter or an attribute");
    ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
    std::optional<Value> otherwise;
    if (!bound[1].is_undefined() && !bound[1].is_none()) otherwise = bound[1];
    for (const Value& item : items) {
      ASSIGN_OR_RETURN(Value part, AttributeOf(interpreter, item, bound[0], otherwise));
      out->push_back(std::move(part));
    }
    return OkStatus();
  }
  const Value& filter = arguments.positional[0];
  if (!filter.is_string()) return InvalidArgument("map: a {} as the name of a filter", filter.TypeName());
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  const Arguments rest = Rest(arguments, 1);
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(Value mapped, interpreter.ApplyFilter(filter.string(), item, rest));
    out->push_back(std::move(mapped));
  }
  return OkStatus();
}

// Implements select, reject, selectattr and rejectattr.
template <bool kByAttribute, bool kWanted>
Status Select(Interpreter& interpreter, const Value& value, const Arguments& arguments, Items* out) {
  if (!value.Truthy()) return OkStatus();
  const size_t test_at = kByAttribute ? 1 : 0;
  const bool has_test = arguments.positional.size() > test_at;
  if (arguments.positional.size() < test_at) return InvalidArgument("the name of an attribute is needed");
  if (has_test && !arguments.positional[test_at].is_string())
    return InvalidArgument("the name of a test is needed");
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  const Arguments rest = Rest(arguments, test_at + 1);
  for (const Value& item : items) {
    Value subject = item;
    if (kByAttribute) {
      ASSIGN_OR_RETURN(subject, AttributeOf(interpreter, item, arguments.positional[0]));
    }
    bool holds = subject.Truthy();
    if (has_test) {
      ASSIGN_OR_RETURN(holds, interpreter.ApplyTest(arguments.positional[test_at].string(), subject, rest));
    }
    if (holds == kWanted) out->push_back(item);
  }
  return OkStatus();
}

Result<Value> List(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(auto items, Iterate(value, interpreter.budget()));
  return Value::List(std::move(items));
}

Result<Value> First(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (value.is_string()) return interpreter.GetItem(value, Value::Int(0));
  Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind == Sequence::Kind::kGenerator) {
    if (sequence->taken < sequence->items.size()) return sequence->items[sequence->taken++];
    if (sequence->error) return *sequence->error;
    return Value::Missing("the first item of nothing");
  }
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  return items.empty() ? Value::Missing("the first item of nothing") : items.front();
}

Result<Value> Last(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (value.is_string()) return interpreter.GetItem(value, Value::Int(-1));
  if (value.sequence() != nullptr && value.sequence()->kind == Sequence::Kind::kGenerator)
    return InvalidArgument("the last item of a generator: make it a list first");
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  return items.empty() ? Value::Missing("the last item of nothing") : items.back();
}

Result<Value> Reverse(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  ASSIGN_OR_RETURN(Items items, Iterate(value, interpreter.budget()));
  std::ranges::reverse(items);
  const Sequence* sequence = value.sequence();
  if (sequence != nullptr && sequence->kind == Sequence::Kind::kGenerator)
    return Value::List(std::move(items));
  if (!value.is_string()) return Value::Generator(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.string();
  return Value::String(std::move(text));
}

Result<Value> Join(Interpreter& interpreter, const Value& value, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"d", "attribute"}));
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  ASSIGN_OR_RETURN(std::string separator, ToText(bound[0], interpreter.budget()));
  Items parts;
  bool markup = bound[0].is_markup();
  for (const Value& item : items) {
    Value part = item;
    if (!bound[1].is_undefined() && !bound[1].is_none()) {
      ASSIGN_OR_RETURN(part, AttributeOf(interpreter, item, bound[1]));
    }
    markup = markup || part.is_markup();
    parts.push_back(std::move(part));
  }
  markup = markup && interpreter.autoescape();
  if (markup && !bound[0].is_markup()) separator = EscapeHtml(separator);
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    ASSIGN_OR_RETURN(const std::string text, ToText(parts[i], interpreter.budget()));
    RETURN_IF_ERROR(interpreter.budget()->Spend(separator.size() / 16));
    if (i > 0) out += separator;
    out += markup && !parts[i].is_markup() ? EscapeHtml(text) : text;
  }
  return markup ? Value::Markup(std::move(out)) : Value::String(std::move(out));
}

// Makes lists of `linecount` items each. The last one is filled up.
Status Batch(Interpreter& interpreter, const Value& value, const Arguments& arguments, Items* out) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"linecount", "fill_with"}, 1));
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  // A value that is no integer equals no length. It is an error only if the last list is filled.
  const bool is_int = bound[0].is_int() || bound[0].is_bool();
  const int64_t n = is_int ? bound[0].integer() : -1;
  Items batch;
  for (const Value& item : items) {
    if (static_cast<int64_t>(batch.size()) == n) {
      ASSIGN_OR_RETURN(Value full, Value::List(std::exchange(batch, {})));
      out->push_back(std::move(full));
    }
    batch.push_back(item);
  }
  if (batch.empty()) return OkStatus();
  const bool fills = !bound[1].is_undefined() && !bound[1].is_none();
  if (fills && !is_int) return InvalidArgument("batch of a {} items", bound[0].TypeName());
  if (fills && static_cast<int64_t>(batch.size()) < n) {
    constexpr int64_t kMaxFill = 100'000;
    if (n > kMaxFill) return ResourceExhausted("batch fills up to {} items: at most {}", n, kMaxFill);
    RETURN_IF_ERROR(interpreter.budget()->Spend(static_cast<size_t>(n)));
    batch.resize(static_cast<size_t>(n), bound[1]);
  }
  ASSIGN_OR_RETURN(Value last, Value::List(std::move(batch)));
  out->push_back(std::move(last));
  return OkStatus();
}

// Makes `slices` lists of nearly the same length.
Status SliceItems(Interpreter& interpreter, const Value& value, const Arguments& arguments, Items* out) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"slices", "fill_with"}, 1));
  ASSIGN_OR_RETURN(const Items items, Iterate(value, interpreter.budget()));
  ASSIGN_OR_RETURN(const int64_t slices, IntOf(bound[0]));
  constexpr int64_t kMaxSlices = 100'000;
  if (slices == 0) return InvalidArgument("division by zero");
  if (slices > kMaxSlices) return ResourceExhausted("slice into {} lists: at most {}", slices, kMaxSlices);
  if (slices < 0) return OkStatus();
  RETURN_IF_ERROR(interpreter.budget()->Spend(static_cast<size_t>(slices)));
  const auto size = static_cast<int64_t>(items.size());
  const bool fills = !bound[1].is_undefined() && !bound[1].is_none();
  int64_t begin = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const bool extra = i < size % slices;
    const int64_t end = begin + size / slices + (extra ? 1 : 0);
    Items slice(items.begin() + begin, items.begin() + end);
    if (fills && !extra) slice.push_back(bound[1]);
    ASSIGN_OR_RETURN(Value list, Value::List(std::move(slice)));
    out->push_back(std::move(list));
    begin = end;
  }
  return OkStatus();
}

constexpr std::array kFilters = {
    NamedFilter{"map", Lazy<Map>},
    NamedFilter{"select", Lazy<Select<false, true>>},
    NamedFilter{"reject", Lazy<Select<false, false>>},
    NamedFilter{"selectattr", Lazy<Select<true, true>>},
    NamedFilter{"rejectattr", Lazy<Select<true, false>>},
    NamedFilter{"list", List},
    NamedFilter{"first", First},
    NamedFilter{"last", Last},
    NamedFilter{"reverse", Reverse},
    NamedFilter{"join", Join},
    NamedFilter{"batch", Lazy<Batch>},
    NamedFilter{"slice", Lazy<SliceItems>},
};

}  // namespace

std::span<const NamedFilter> ListFilters() { return kFilters; }

Result<Value> AttributeOf(Interpreter& interpreter, const Value& item, const Value& path,
                          const std::optional<Value>& otherwise) {
  std::vector<Value> parts = {path};
  if (path.is_string()) {
    RETURN_IF_ERROR(interpreter.budget()->Spend(1 + path.string().size() / 4));
    parts.clear();
    for (const std::string& part : SplitText(path.string(), ".", -1)) parts.push_back(ItemKey(part));
  }
  Value at = item;
  for (const Value& part : parts) {
    ASSIGN_OR_RETURN(at, interpreter.GetItem(at, part));
    if (otherwise && at.is_undefined()) at = *otherwise;
  }
  return at;
}

}  // namespace exeunt::text::jinja
