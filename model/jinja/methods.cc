// Methods of strings, dicts and lists, as Python has them. What would change a value is not there: Jinja's
// sandbox, as transformers sets it up, forbids it too.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/jinja/interpreter.h"
#include "model/jinja/lexer.h"
#include "model/jinja/python_text.h"
#include "model/utf8.h"

namespace exeunt::jinja {
namespace {

constexpr std::array<std::string_view, 25> kStringMethods = {
    "strip",    "lstrip",       "rstrip",       "split",   "rsplit",  "splitlines", "startswith",
    "endswith", "replace",      "upper",        "lower",   "title",   "capitalize", "find",
    "rfind",    "count",        "join",         "isdigit", "isalpha", "isspace",    "isnumeric",
    "isalnum",  "removeprefix", "removesuffix", "isupper"};
constexpr std::array<std::string_view, 4> kDictMethods = {"items", "keys", "values", "get"};
constexpr std::array<std::string_view, 2> kListMethods = {"count", "index"};

constexpr size_t kMaxStripBytes = 256;

Result<std::string> StringOr(const Value& value, std::string_view otherwise) {
  if (value.is_undefined() || value.is_none()) return std::string(otherwise);
  if (!value.is_string()) return InvalidArgument("{} instead of str", value.TypeName());
  return value.string();
}

Result<int64_t> IntOr(const Value& value, int64_t otherwise) {
  if (value.is_undefined() || value.is_none()) return otherwise;
  if (!value.is_int() && !value.is_bool()) return InvalidArgument("{} instead of int", value.TypeName());
  return value.integer();
}

Result<Value> ListOf(std::vector<std::string> parts, Budget* budget) {
  if (parts.size() > kMaxParts) return ResourceExhausted("a text splits into more than {} parts", kMaxParts);
  RETURN_IF_ERROR(budget->Spend(parts.size()));
  std::vector<Value> items;
  for (std::string& part : parts) items.push_back(Value::String(std::move(part)));
  return Value::List(std::move(items));
}

Result<Value> Strip(const std::string& text, std::string_view name, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"chars"}));
  ASSIGN_OR_RETURN(const std::string characters, StringOr(bound[0], ""));
  if (bound[0].is_string() && characters.empty()) return Value::String(text);
  if (characters.size() > kMaxStripBytes)
    return Unimplemented("more than {} bytes of characters to strip", kMaxStripBytes);
  std::string_view left = text;
  if (name != "rstrip") left = StripLeft(left, characters);
  if (name != "lstrip") left = StripRight(left, characters);
  return Value::String(std::string(left));
}

Result<Value> Split(const std::string& text, std::string_view name, const Arguments& arguments,
                    Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sep", "maxsplit"}));
  ASSIGN_OR_RETURN(const std::string separator, StringOr(bound[0], ""));
  if (bound[0].is_string() && separator.empty()) return InvalidArgument("an empty separator");
  ASSIGN_OR_RETURN(const int64_t limit, IntOr(bound[1], -1));
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), separator.size()));
  return ListOf(
      name == "split" ? SplitText(text, separator, limit) : SplitTextFromRight(text, separator, limit),
      budget);
}

// startswith and endswith, of a string or any of a tuple.
Result<Value> HasAffix(const std::string& text, bool start, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"affix"}));
  const std::vector<Value> affixes =
      bound[0].is_tuple() ? bound[0].list()->items : std::vector<Value>{bound[0]};
  bool found = false;
  for (const Value& affix : affixes) {
    if (!affix.is_string()) return InvalidArgument("{} instead of str", affix.TypeName());
    found = found || (start ? text.starts_with(affix.string()) : text.ends_with(affix.string()));
  }
  return Value::Bool(found);
}

Result<Value> Replace(const std::string& text, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"old", "new", "count"}));
  if (!bound[0].is_string() || !bound[1].is_string()) return InvalidArgument("replace needs two strings");
  ASSIGN_OR_RETURN(const int64_t limit, IntOr(bound[2], -1));
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), bound[0].string().size()));
  constexpr size_t kMaxBytes = size_t{1} << 26;
  std::string out;
  if (!ReplaceText(text, bound[0].string(), bound[1].string(), limit, kMaxBytes, &out)) {
    return ResourceExhausted("replace gives more than {} bytes", kMaxBytes);
  }
  RETURN_IF_ERROR(budget->Spend(out.size() / 16));
  return Value::String(std::move(out));
}

Result<Value> Find(const std::string& text, bool from_right, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sub"}));
  if (!bound[0].is_string()) return InvalidArgument("{} instead of str", bound[0].TypeName());
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), bound[0].string().size()));
  const size_t at = from_right ? text.rfind(bound[0].string()) : text.find(bound[0].string());
  if (at == std::string::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CountCharacters(std::string_view(text).substr(0, at))));
}

Result<Value> CountText(const std::string& text, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sub"}));
  if (!bound[0].is_string()) return InvalidArgument("{} instead of str", bound[0].TypeName());
  const std::string& sub = bound[0].string();
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), sub.size()));
  if (sub.empty()) return Value::Int(static_cast<int64_t>(CountCharacters(text)) + 1);
  int64_t n = 0;
  for (size_t at = text.find(sub); at != std::string::npos; at = text.find(sub, at + sub.size())) ++n;
  return Value::Int(n);
}

Result<Value> Join(const std::string& separator, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"iterable"}));
  ASSIGN_OR_RETURN(const auto items, Iterate(bound[0], budget));
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) return InvalidArgument("item {} is a {}, not a str", i, items[i].TypeName());
    RETURN_IF_ERROR(budget->Spend((separator.size() + items[i].string().size()) / 16));
    if (i > 0) out += separator;
    out += items[i].string();
  }
  return Value::String(std::move(out));
}

bool Is(const std::string& text, std::string_view name) {
  if (name == "isdigit") return AllCharacters(text, IsDigit);
  if (name == "isnumeric") return AllCharacters(text, IsNumeric);
  if (name == "isalpha") return AllCharacters(text, IsAlphabetic);
  if (name == "isalnum")
    return AllCharacters(text, [](char32_t c) { return IsAlphabetic(c) || IsNumeric(c); });
  if (name == "isupper") return Upper(text) == text && Lower(text) != text;
  return AllCharacters(text, IsPythonSpace);
}

Result<Value> CallOnString(const std::string& text, std::string_view name, const Arguments& arguments,
                           Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1 + text.size() / 16));
  if (name == "strip" || name == "lstrip" || name == "rstrip") return Strip(text, name, arguments);
  if (name == "split" || name == "rsplit") return Split(text, name, arguments, budget);
  if (name == "startswith" || name == "endswith") return HasAffix(text, name == "startswith", arguments);
  if (name == "replace") return Replace(text, arguments, budget);
  if (name == "find" || name == "rfind") return Find(text, name == "rfind", arguments, budget);
  if (name == "count") return CountText(text, arguments, budget);
  if (name == "join") return Join(text, arguments, budget);
  if (name == "splitlines") {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"keepends"}));
    return ListOf(SplitLines(text, bound[0].Truthy()), budget);
  }
  if (name == "removeprefix" || name == "removesuffix") {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"affix"}));
    ASSIGN_OR_RETURN(const std::string affix, StringOr(bound[0], ""));
    const bool prefix = name == "removeprefix";
    if (!(prefix ? text.starts_with(affix) : text.ends_with(affix))) return Value::String(text);
    return Value::String(prefix ? text.substr(affix.size()) : text.substr(0, text.size() - affix.size()));
  }
  RETURN_IF_ERROR(Bind(arguments, {}));
  if (name == "upper") return Value::String(Upper(text));
  if (name == "lower") return Value::String(Lower(text));
  if (name == "title") return Value::String(TitleMethod(text));
  if (name == "capitalize") return Value::String(Capitalize(text));
  return Value::Bool(Is(text, name));
}

Result<Value> CallOnDict(const DictData& dict, std::string_view name, const Arguments& arguments,
                         Budget* budget) {
  RETURN_IF_ERROR(budget->Spend(1 + dict.items.size()));
  if (name == "get") {
    ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"key", "default"}));
    for (const auto& [key, value] : dict.items) {
      ASSIGN_OR_RETURN(const bool equal, Equal(key, bound[0], budget));
      if (equal) return value;
    }
    return bound[1].is_undefined() ? Value::None() : bound[1];
  }
  RETURN_IF_ERROR(Bind(arguments, {}));
  std::vector<Value> items;
  for (const auto& [key, value] : dict.items) {
    if (name == "items") {
      ASSIGN_OR_RETURN(Value pair, Value::Tuple({key, value}));
      items.push_back(std::move(pair));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return Value::List(std::move(items));
}

Result<Value> CallOnList(const ListData& list, std::string_view name, const Arguments& arguments,
                         Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"value"}));
  int64_t n = 0;
  for (size_t i = 0; i < list.items.size(); ++i) {
    ASSIGN_OR_RETURN(const bool equal, Equal(list.items[i], bound[0], budget));
    if (equal && name == "index") return Value::Int(static_cast<int64_t>(i));
    n += equal ? 1 : 0;
  }
  if (name == "index") return InvalidArgument("the value is not in the list");
  return Value::Int(n);
}

}  // namespace

bool HasMethod(const Value& value, std::string_view name) {
  if (value.is_string()) return std::ranges::count(kStringMethods, name) > 0;
  if (value.dict() != nullptr) return std::ranges::count(kDictMethods, name) > 0;
  return value.list() != nullptr && std::ranges::count(kListMethods, name) > 0;
}

Result<Value> CallMethod(const Value& value, std::string_view name, const Arguments& arguments,
                         Budget* budget) {
  if (value.is_string()) return CallOnString(value.string(), name, arguments, budget);
  if (value.dict() != nullptr) return CallOnDict(*value.dict(), name, arguments, budget);
  return CallOnList(*value.list(), name, arguments, budget);
}

}  // namespace exeunt::jinja
