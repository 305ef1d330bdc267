// Methods of values, as in Python. There are none that change a value, because Jinja's sandbox forbids them
// in transformers' settings, too.
#include "text/jinja/methods.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja/python_text.h"

namespace exeunt::text::jinja {
namespace {

constexpr std::array<std::string_view, 46> kStringMethods = {
    "strip",    "lstrip",      "rstrip",       "split",        "rsplit",       "splitlines", "startswith",
    "endswith", "replace",     "upper",        "lower",        "title",        "capitalize", "find",
    "rfind",    "index",       "rindex",       "count",        "join",         "isdigit",    "isalpha",
    "isspace",  "isnumeric",   "isdecimal",    "isalnum",      "isascii",      "isupper",    "islower",
    "istitle",  "isprintable", "isidentifier", "removeprefix", "removesuffix", "partition",  "rpartition",
    "center",   "ljust",       "rjust",        "zfill",        "expandtabs",   "swapcase",   "casefold",
    "format",   "format_map",  "encode",       "translate"};
constexpr std::array<std::string_view, 5> kDictMethods = {"items", "keys", "values", "get", "copy"};
constexpr std::array<std::string_view, 3> kListMethods = {"count", "index", "copy"};
constexpr std::array<std::string_view, 8> kListChanges = {"append", "clear",  "pop",  "reverse",
                                                          "insert", "remove", "sort", "extend"};
constexpr std::array<std::string_view, 5> kDictChanges = {"clear", "pop", "popitem", "setdefault", "update"};

bool Among(const auto& names, std::string_view name) { return std::ranges::count(names, name) > 0; }

Result<Value> ViewOf(const DictData& dict, std::string_view name) {
  Sequence view;
  view.kind = name == "items"  ? Sequence::Kind::kItems
              : name == "keys" ? Sequence::Kind::kKeys
                               : Sequence::Kind::kValues;
  for (const auto& [key, value] : dict.items) {
    if (name == "items") {
      ASSIGN_OR_RETURN(Value pair, Value::Tuple({key, value}));
      view.items.push_back(std::move(pair));
    } else {
      view.items.push_back(name == "keys" ? key : value);
    }
  }
  return Value::OfSequence(std::move(view));
}

Result<Value> CallOnDict(const Value& dict, std::string_view name, const Arguments& arguments,
                         Budget* budget) {
  const auto& items = dict.dict()->items;
  RETURN_IF_ERROR(budget->Spend(1 + items.size()));
  if (name == "get") {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"key", "default"}, 1));
    if (!bound[0].Hashable()) return InvalidArgument("a {} as a key of a dict", bound[0].TypeName());
    for (const auto& [key, value] : items) {
      ASSIGN_OR_RETURN(const bool equal, Equal(key, bound[0], budget));
      if (equal) return value;
    }
    const size_t given = arguments.positional.size() + arguments.keyword.size();
    return given < 2 ? Value::None() : bound[1];
  }
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (name == "copy") return dict;
  return ViewOf(*dict.dict(), name);
}

Result<Value> CallOnList(const Value& list, const std::vector<Value>& items, std::string_view name,
                         const Arguments& arguments, Budget* budget) {
  if (name == "copy") {
    RETURN_IF_ERROR(Bind(arguments, {}));
    return list;
  }
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"value", "start", "stop"}, 1));
  const auto size = static_cast<int64_t>(items.size());
  const auto clip = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
  ASSIGN_OR_RETURN(const int64_t start, IntOr(bound[1], 0));
  ASSIGN_OR_RETURN(const int64_t stop, IntOr(bound[2], size));
  int64_t n = 0;
  for (int64_t i = clip(std::max(start, -size)); i < clip(std::max(stop, -size)); ++i) {
    ASSIGN_OR_RETURN(const bool equal, Equal(items[static_cast<size_t>(i)], bound[0], budget));
    if (equal && name == "index") return Value::Int(i);
    n += equal ? 1 : 0;
  }
  if (name == "index") return InvalidArgument("the value is not in the list");
  return Value::Int(n);
}

// Implements loop.cycle(...) and loop.changed(...).
Result<Value> CallOnLoop(LoopState* loop, std::string_view name, const Arguments& arguments, Budget* budget) {
  if (!arguments.keyword.empty()) return InvalidArgument("loop.{} takes no names", name);
  if (name == "cycle") {
    if (arguments.positional.empty()) return InvalidArgument("loop.cycle needs at least one item");
    return arguments.positional[loop->index0 % arguments.positional.size()];
  }
  RETURN_IF_ERROR(budget->Spend(arguments.positional.size()));
  bool same = loop->has_changed && loop->changed.size() == arguments.positional.size();
  for (size_t i = 0; same && i < loop->changed.size(); ++i) {
    ASSIGN_OR_RETURN(same, Equal(loop->changed[i], arguments.positional[i], budget));
  }
  for (const Value& value : arguments.positional) {
    if (!value.Storable()) return Unimplemented("loop.changed of a {}", value.TypeName());
  }
  loop->changed = arguments.positional;
  loop->has_changed = true;
  return Value::Bool(!same);
}

Result<Value> CallOnCycler(Cycler* cycler, std::string_view name, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (name == "reset") {
    cycler->at = 0;
    return Value::None();
  }
  const Value current = cycler->items[cycler->at];
  cycler->at = (cycler->at + 1) % cycler->items.size();
  return current;
}

}  // namespace

Value ItemKey(std::string_view text) {
  const std::string key(text);
  return key.size() < 10 && IsAsciiNumber(key) ? Value::Int(std::stoll(key)) : Value::String(key);
}

Result<const std::string*> StringOf(const Value& value) {
  if (!value.is_string()) return InvalidArgument("{} instead of str", value.TypeName());
  return &value.string();
}

Result<std::string> StringOr(const Value& value, std::string_view otherwise) {
  if (value.is_undefined() || value.is_none()) return std::string(otherwise);
  ASSIGN_OR_RETURN(const std::string* text, StringOf(value));
  return *text;
}

Result<int64_t> IntOf(const Value& value) {
  if (value.is_undefined()) return value.UndefinedError();
  if (!value.is_int() && !value.is_bool()) return InvalidArgument("{} instead of int", value.TypeName());
  return value.integer();
}

Result<int64_t> IntOr(const Value& value, int64_t otherwise) {
  if (value.is_undefined() || value.is_none()) return otherwise;
  return IntOf(value);
}

Result<Value> ListOf(std::vector<std::string> parts, Budget* budget) {
  if (parts.size() > kMaxParts) return ResourceExhausted("a text splits into more than {} parts", kMaxParts);
  RETURN_IF_ERROR(budget->Spend(parts.size()));
  std::vector<Value> items;
  for (std::string& part : parts) items.push_back(Value::String(std::move(part)));
  return Value::List(std::move(items));
}

bool HasMethod(const Value& value, std::string_view name) {
  if (value.is_string()) return Among(kStringMethods, name);
  if (value.dict() != nullptr) return Among(kDictMethods, name);
  if (value.cycler() != nullptr) return name == "next" || name == "reset";
  const bool counts = name == "count" || name == "index";
  if (value.sequence() != nullptr) return counts && value.sequence()->kind == Sequence::Kind::kRange;
  if (value.is_tuple()) return counts;
  return value.list() != nullptr && Among(kListMethods, name);
}

bool IsForbidden(const Value& value, std::string_view name) {
  if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) return value.space() == nullptr;
  if (value.dict() != nullptr) return Among(kDictChanges, name);
  return value.list() != nullptr && !value.is_tuple() && Among(kListChanges, name);
}

Result<Value> CallMethod(Interpreter& interpreter, const Value& value, std::string_view name,
                         const Arguments& arguments) {
  Budget* budget = interpreter.budget();
  if (value.is_string()) return CallOnString(interpreter, value.string(), name, arguments);
  if (value.dict() != nullptr) return CallOnDict(value, name, arguments, budget);
  if (value.loop() != nullptr) return CallOnLoop(value.loop(), name, arguments, budget);
  if (value.cycler() != nullptr) return CallOnCycler(value.cycler(), name, arguments);
  if (value.sequence() != nullptr) return CallOnList(value, value.sequence()->items, name, arguments, budget);
  return CallOnList(value, value.list()->items, name, arguments, budget);
}

}  // namespace exeunt::text::jinja
