// The functions that templates may call, which are Jinja's and those that transformers adds.
#include <array>
#include <ctime>

#include "base/error.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {
namespace {

constexpr int64_t kMaxRange = 100000;  // as in Jinja's sandbox

struct NamedFunction {
  std::string_view name;
  Function function;
};

constexpr std::array kFunctions = {
    NamedFunction{"raise_exception", Function::kRaiseException},
    NamedFunction{"strftime_now", Function::kStrftimeNow},
    NamedFunction{"range", Function::kRange},
    NamedFunction{"namespace", Function::kNamespace},
    NamedFunction{"dict", Function::kDict},
    NamedFunction{"cycler", Function::kCycler},
    NamedFunction{"joiner", Function::kJoiner},
    NamedFunction{"lipsum", Function::kLipsum},
};

Result<Value> Range(const Arguments& arguments, Budget* budget) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.keyword.empty()) {
    return InvalidArgument("range takes one to three integers");
  }
  for (const Value& bound : given) {
    if (!bound.is_int() && !bound.is_bool()) return InvalidArgument("range of a {}", bound.TypeName());
  }
  const int64_t begin = given.size() > 1 ? given[0].integer() : 0;
  const int64_t end = given.size() > 1 ? given[1].integer() : given[0].integer();
  const int64_t step = given.size() > 2 ? given[2].integer() : 1;
  if (step == 0) return InvalidArgument("range with step 0");
  std::vector<Value> items;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<int64_t>(items.size()) >= kMaxRange) {
      return ResourceExhausted("range of more than {} items", kMaxRange);
    }
    items.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  RETURN_IF_ERROR(budget->Spend(items.size()));
  std::string text = step == 1 ? fmt::format("range({}, {})", begin, end)
                               : fmt::format("range({}, {}, {})", begin, end, step);
  return Value::OfSequence(
      {.kind = Sequence::Kind::kRange, .items = std::move(items), .text = std::move(text)});
}

Result<Value> StrftimeNow(const Arguments& arguments) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"format"}));
  if (!bound[0].is_string()) return InvalidArgument("strftime_now needs a format");
  const std::string& format = bound[0].string();
  constexpr size_t kMaxFormat = 200;
  if (format.size() > kMaxFormat) return InvalidArgument("strftime_now: a format of {} bytes", format.size());
  static constexpr std::string_view kKnown = "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ%";
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    ++i;
    if (i < format.size() && format[i] == '-') ++i;
    if (i >= format.size() || kKnown.find(format[i]) == std::string_view::npos) {
      return Unimplemented("strftime_now: the format '{}' is not supported", format);
    }
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 8192> buffer{};
  const size_t size = std::strftime(buffer.data(), buffer.size(), format.c_str(), &local);
  return Value::String(std::string(buffer.data(), size));
}

// Returns the entries of a dict or of a list of pairs.
Result<std::vector<std::pair<Value, Value>>> EntriesOf(const Value& value, Budget* budget) {
  if (value.dict() != nullptr) return value.dict()->items;
  if (value.is_undefined()) return value.UndefinedError();
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(value, budget));
  std::vector<std::pair<Value, Value>> entries;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(const std::vector<Value> pair, Iterate(item, budget));
    if (pair.size() != 2) return InvalidArgument("an entry of a dict has {} parts instead of 2", pair.size());
    entries.emplace_back(pair[0], pair[1]);
  }
  return entries;
}

// Implements dict(a=1) and namespace(a=1). Both also take a dict or pairs.
Result<Value> MakeDict(const Arguments& arguments, Budget* budget) {
  std::vector<std::pair<Value, Value>> items;
  if (arguments.positional.size() > 1) return InvalidArgument("at most one positional argument");
  if (!arguments.positional.empty()) {
    ASSIGN_OR_RETURN(items, EntriesOf(arguments.positional[0], budget));
  }
  for (const auto& [name, value] : arguments.keyword) items.emplace_back(Value::String(name), value);
  return Value::Dict(std::move(items), budget);
}

Result<Value> MakeCycler(const Arguments& arguments) {
  if (!arguments.keyword.empty()) return InvalidArgument("cycler takes no names");
  if (arguments.positional.empty()) return InvalidArgument("cycler needs at least one item");
  auto cycler = std::make_shared<Cycler>();
  for (const Value& item : arguments.positional) {
    if (!item.Storable()) return Unimplemented("a {} in a cycler", item.TypeName());
    cycler->items.push_back(item);
  }
  return Value::OfCycler(std::move(cycler));
}

Result<Value> MakeJoiner(const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"sep"}));
  auto joiner = std::make_shared<Joiner>();
  joiner->separator = ", ";
  if (!bound[0].is_undefined()) {
    ASSIGN_OR_RETURN(joiner->separator, ToText(bound[0], budget));
  }
  return Value::OfJoiner(std::move(joiner));
}

Result<Value> MakeNamespace(const Arguments& arguments, Budget* budget) {
  ASSIGN_OR_RETURN(const Value dict, MakeDict(arguments, budget));
  auto space = std::make_shared<Namespace>();
  for (const auto& [key, value] : dict.dict()->items) {
    if (!key.is_string()) return InvalidArgument("a {} as a name in a namespace", key.TypeName());
    space->attributes.emplace_back(key.string(), value);
  }
  return Value::OfNamespace(std::move(space));
}

}  // namespace

std::optional<Function> FindFunction(std::string_view name) {
  for (const NamedFunction& known : kFunctions) {
    if (known.name == name) return known.function;
  }
  return std::nullopt;
}

Result<Value> CallFunction(Function function, const Arguments& arguments, Budget* budget) {
  switch (function) {
    case Function::kRaiseException: {
      ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"message"}, 1));
      ASSIGN_OR_RETURN(const std::string message, ToText(bound[0], budget));
      return InvalidArgument("{}", message);
    }
    case Function::kStrftimeNow:
      return StrftimeNow(arguments);
    case Function::kRange:
      return Range(arguments, budget);
    case Function::kNamespace:
      return MakeNamespace(arguments, budget);
    case Function::kDict:
      return MakeDict(arguments, budget);
    case Function::kCycler:
      return MakeCycler(arguments);
    case Function::kJoiner:
      return MakeJoiner(arguments, budget);
    case Function::kLipsum:
      return Unimplemented("lipsum() is not supported: its text is random");
  }
  return Value();
}

}  // namespace exeunt::text::jinja
