// Methods of strings that search, split or count.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/methods.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

// The part of a text between the arguments `start` and `end`, which count characters as in a slice.
struct Part {
  std::string_view text;
  int64_t before = 0;        // characters before the part
  bool empty_range = false;  // start > end, where not even "" is found
};

Result<Part> PartOf(std::string_view text, const Value& start, const Value& end) {
  if ((start.is_undefined() || start.is_none()) && (end.is_undefined() || end.is_none())) return Part{text};
  const auto size = static_cast<int64_t>(CountCharacters(text));
  ASSIGN_OR_RETURN(int64_t first, IntOr(start, 0));
  ASSIGN_OR_RETURN(int64_t last, IntOr(end, size));
  const auto clip = [&](int64_t at) {
    return at < 0 ? std::max<int64_t>(std::max(at, -size - 1) + size, 0) : at;
  };
  first = clip(first);
  last = std::min(clip(last), size);
  if (first > last) return Part{{}, 0, true};
  size_t begin = 0;
  size_t at = 0;
  for (int64_t i = 0; i < last; ++i) {
    if (i == first) begin = at;
    at += DecodeUtf8(text.substr(at)).size;
  }
  if (first == last) begin = at;
  return Part{text.substr(begin, at - begin), first, false};
}

Result<Value> Find(const std::string& text, std::string_view name, const Arguments& arguments,
                   Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sub", "start", "end"}, 1));
  ASSIGN_OR_RETURN(const std::string* sub, StringOf(bound[0]));
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), sub->size()));
  ASSIGN_OR_RETURN(const Part part, PartOf(text, bound[1], bound[2]));
  const bool from_right = name.starts_with('r');
  const size_t at = part.empty_range ? std::string_view::npos
                    : from_right     ? part.text.rfind(*sub)
                                     : part.text.find(*sub);
  if (at != std::string_view::npos)
    return Value::Int(part.before + static_cast<int64_t>(CountCharacters(part.text.substr(0, at))));
  if (name.ends_with("index")) return InvalidArgument("substring not found");
  return Value::Int(-1);
}

Result<Value> Count(const std::string& text, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sub", "start", "end"}, 1));
  ASSIGN_OR_RETURN(const std::string* sub, StringOf(bound[0]));
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), sub->size()));
  ASSIGN_OR_RETURN(const Part part, PartOf(text, bound[1], bound[2]));
  if (part.empty_range) return Value::Int(0);
  if (sub->empty()) return Value::Int(static_cast<int64_t>(CountCharacters(part.text)) + 1);
  int64_t n = 0;
  for (size_t at = part.text.find(*sub); at != std::string_view::npos;
       at = part.text.find(*sub, at + sub->size()))
    ++n;
  return Value::Int(n);
}

// Implements startswith and endswith for a string or any of a tuple.
Result<Value> HasAffix(const std::string& text, bool start, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"affix", "start", "end"}, 1));
  const std::vector<Value> affixes =
      bound[0].is_tuple() ? bound[0].list()->items : std::vector<Value>{bound[0]};
  ASSIGN_OR_RETURN(const Part part, PartOf(text, bound[1], bound[2]));
  bool found = false;
  for (const Value& each : affixes) {
    ASSIGN_OR_RETURN(const std::string* affix, StringOf(each));
    RETURN_IF_ERROR(budget->Spend(1 + std::min(affix->size(), text.size()) / 16));
    const bool here = start ? part.text.starts_with(*affix) : part.text.ends_with(*affix);
    found = found || (here && !part.empty_range);
  }
  return Value::Bool(found);
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

Result<Value> Partition(const std::string& text, bool from_right, const Arguments& arguments,
                        Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sep"}, 1));
  ASSIGN_OR_RETURN(const std::string* separator, StringOf(bound[0]));
  if (separator->empty()) return InvalidArgument("an empty separator");
  RETURN_IF_ERROR(budget->SpendSearch(text.size(), separator->size()));
  const size_t at = from_right ? text.rfind(*separator) : text.find(*separator);
  std::vector<std::string> parts = {text, "", ""};
  if (at != std::string::npos) {
    parts = {text.substr(0, at), *separator, text.substr(at + separator->size())};
  } else if (from_right) {
    parts = {"", "", text};
  }
  std::vector<Value> items;
  for (std::string& part : parts) items.push_back(Value::String(std::move(part)));
  return Value::Tuple(std::move(items));
}

Result<Value> Replace(const std::string& text, const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"old", "new", "count"}, 2));
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

Result<Value> Search(const std::string& text, std::string_view name, const Arguments& arguments,
                     Budget* budget) {
  if (name == "count") return Count(text, arguments, budget);
  if (name == "split" || name == "rsplit") return Split(text, name, arguments, budget);
  if (name == "partition" || name == "rpartition")
    return Partition(text, name == "rpartition", arguments, budget);
  if (name == "startswith" || name == "endswith")
    return HasAffix(text, name == "startswith", arguments, budget);
  if (name == "replace") return Replace(text, arguments, budget);
  return Find(text, name, arguments, budget);
}

}  // namespace

Result<std::optional<Value>> CallSearch(const std::string& text, std::string_view name,
                                        const Arguments& arguments, Budget* budget) {
  for (const std::string_view known : {"count", "split", "rsplit", "partition", "rpartition", "startswith",
                                       "endswith", "replace", "find", "rfind", "index", "rindex"}) {
    if (known != name) continue;
    ASSIGN_OR_RETURN(Value result, Search(text, name, arguments, budget));
    return std::optional<Value>(std::move(result));
  }
  return std::optional<Value>();
}

}  // namespace exeunt::text::jinja
