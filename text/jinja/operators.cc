#include "text/jinja/operators.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/text_format.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

Error Unsupported(std::string_view op, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) return value->UndefinedError();
  }
  return InvalidArgument("'{}' is not supported between {} and {}", op, a.TypeName(), b.TypeName());
}

Result<int64_t> Power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      return InvalidArgument("an integer overflows");
    }
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
      return InvalidArgument("an integer overflows");
    }
  }
  return result;
}

Result<Value> IntArithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    if (b < 0)
      return a == 0 ? Result<Value>(InvalidArgument("division by zero"))
                    : Value::Float(std::pow(static_cast<double>(a), static_cast<double>(b)));
    ASSIGN_OR_RETURN(result, Power(a, b));
  } else {
    if (b == 0) return InvalidArgument("division by zero");
    if (op == "/") return Value::Float(static_cast<double>(a) / static_cast<double>(b));
    if (b == -1) {
      if (op == "%") return Value::Int(0);
      overflow = __builtin_sub_overflow(int64_t{0}, a, &result);
    } else {
      const bool inexact = a % b != 0 && ((a % b < 0) != (b < 0));  // rounds down, as in Python
      result = op == "//" ? a / b - (inexact ? 1 : 0) : a % b + (inexact ? b : 0);
    }
  }
  if (overflow) return InvalidArgument("an integer overflows");
  return Value::Int(result);
}

Result<Value> FloatPower(double a, double b) {
  const double result = std::pow(a, b);
  if (a == 0 && b < 0) return InvalidArgument("division by zero");
  if (std::isnan(result) && !std::isnan(a) && !std::isnan(b))
    return Unimplemented("a power that is a complex number");
  if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) return InvalidArgument("a power overflows");
  return Value::Float(result);
}

Result<Value> FloatArithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value::Float(a + b);
  if (op == "-") return Value::Float(a - b);
  if (op == "*") return Value::Float(a * b);
  if (op == "**") return FloatPower(a, b);
  if (b == 0.0) return InvalidArgument("division by zero");
  if (op == "/") return Value::Float(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0.0 && (rest < 0) != (b < 0)) rest += b;
  if (op == "%") return Value::Float(rest);
  return Value::Float(std::floor((a - rest) / b + 0.5));
}

Result<Value> Repeat(const Value& value, int64_t count, Budget* budget) {
  const size_t size = value.is_string() ? value.string().size() : value.list()->items.size();
  if (count <= 0 || size == 0) count = 0;
  if (count > (int64_t{1} << 30)) return ResourceExhausted("a repetition of {} times", count);
  const auto times = static_cast<size_t>(count);
  RETURN_IF_ERROR(budget->Spend(value.is_string() ? size * times / 16 : size * times));
  if (value.is_string()) {
    std::string out;
    out.reserve(size * times);
    for (size_t i = 0; i < times; ++i) out += value.string();
    return value.is_markup() ? Value::Markup(std::move(out)) : Value::String(std::move(out));
  }
  std::vector<Value> items;
  for (size_t i = 0; i < times; ++i) {
    items.insert(items.end(), value.list()->items.begin(), value.list()->items.end());
  }
  return value.is_tuple() ? Value::Tuple(std::move(items)) : Value::List(std::move(items));
}

Result<Value> Join(const Value& a, const Value& b, Budget* budget) {
  if (a.is_string()) {
    RETURN_IF_ERROR(budget->Spend((a.string().size() + b.string().size()) / 16));
    if (!a.is_markup() && !b.is_markup()) return Value::String(a.string() + b.string());
    const auto escaped = [](const Value& v) { return v.is_markup() ? v.string() : EscapeHtml(v.string()); };
    return Value::Markup(escaped(a) + escaped(b));
  }
  std::vector<Value> items = a.list()->items;
  items.insert(items.end(), b.list()->items.begin(), b.list()->items.end());
  RETURN_IF_ERROR(budget->Spend(items.size()));
  return a.is_tuple() ? Value::Tuple(std::move(items)) : Value::List(std::move(items));
}

// Reads a generator up to the item.
Result<bool> ContainsInSequence(Sequence* sequence, const Value& item, Budget* budget) {
  for (size_t i = sequence->taken; i < sequence->items.size(); ++i) {
    if (sequence->kind == Sequence::Kind::kGenerator) sequence->taken = i + 1;
    ASSIGN_OR_RETURN(const bool equal, Equal(sequence->items[i], item, budget));
    if (equal) return true;
  }
  if (sequence->error) return *sequence->error;
  return false;
}

Result<bool> Contains(const Value& container, const Value& item, Budget* budget) {
  if (container.is_string()) {
    if (!item.is_string()) return Unsupported("in", item, container);
    RETURN_IF_ERROR(budget->SpendSearch(container.string().size(), item.string().size()));
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.is_undefined()) return false;
  if (container.dict() != nullptr) {
    if (!item.Hashable()) return InvalidArgument("a {} as a key of a dict", item.TypeName());
    for (const auto& [key, unused] : container.dict()->items) {
      ASSIGN_OR_RETURN(const bool equal, Equal(key, item, budget));
      if (equal) return true;
    }
    return false;
  }
  if (Sequence* sequence = container.sequence()) return ContainsInSequence(sequence, item, budget);
  if (container.list() == nullptr) return Unsupported("in", item, container);
  for (const Value& other : container.list()->items) {
    ASSIGN_OR_RETURN(const bool equal, Equal(other, item, budget));
    if (equal) return true;
  }
  return false;
}

// Returns the characters [first, last) of `text`.
std::string Characters(std::string_view text, int64_t first, int64_t last) {
  size_t begin = 0;
  size_t at = 0;
  for (int64_t i = 0; i < last; ++i) {
    if (i == first) begin = at;
    at += DecodeUtf8(text.substr(at)).size;
  }
  return std::string(text.substr(begin, at - begin));
}

// Computes format % values. Values that go into HTML are escaped.
Result<Value> PercentOf(const Value& format, const Value& values, Budget* budget) {
  if (!format.is_markup()) {
    ASSIGN_OR_RETURN(std::string text, PercentFormat(format.string(), values, budget));
    return Value::String(std::move(text));
  }
  const auto escaped = [](const Value& v) {
    return v.is_string() && !v.is_markup() ? Value::String(EscapeHtml(v.string())) : v;
  };
  Value safe = escaped(values);
  if (values.is_tuple()) {
    std::vector<Value> items;
    for (const Value& item : values.list()->items) items.push_back(escaped(item));
    ASSIGN_OR_RETURN(safe, Value::Tuple(std::move(items)));
  }
  ASSIGN_OR_RETURN(std::string text, PercentFormat(format.string(), safe, budget));
  return Value::Markup(std::move(text));
}

}  // namespace

Result<Value> Arithmetic(std::string_view op, const Value& a, const Value& b, Budget* budget) {
  if (a.is_number() && b.is_number()) {
    if (!a.is_float() && !b.is_float()) return IntArithmetic(op, a.integer(), b.integer());
    return FloatArithmetic(op, a.number(), b.number());
  }
  const bool same = (a.is_string() && b.is_string()) ||
                    (a.is_sequence() && b.is_sequence() && a.is_tuple() == b.is_tuple());
  if (op == "+" && same) return Join(a, b, budget);
  if (op == "*") {
    const auto repeats = [](const Value& v) { return v.is_string() || v.is_sequence(); };
    const auto counts = [](const Value& v) { return v.is_int() || v.is_bool(); };
    if (repeats(a) && counts(b)) return Repeat(a, b.integer(), budget);
    if (repeats(b) && counts(a)) return Repeat(b, a.integer(), budget);
  }
  if (op == "%" && a.is_string()) return PercentOf(a, b, budget);
  return Unsupported(op, a, b);
}

Result<Value> Negate(const Value& value) {
  if (value.is_float()) return Value::Float(-value.number());
  if (value.is_number()) return IntArithmetic("-", 0, value.integer());
  return Unsupported("-", value, value);
}

Result<bool> Compare(std::string_view op, const Value& a, const Value& b, Budget* budget) {
  if (op == "==" || op == "!=") {
    ASSIGN_OR_RETURN(const bool equal, Equal(a, b, budget));
    return equal == (op == "==");
  }
  if (op == "in" || op == "not in") {
    ASSIGN_OR_RETURN(const bool contains, Contains(b, a, budget));
    return contains == (op == "in");
  }
  const bool numbers = a.is_number() && b.is_number();
  if (numbers && (std::isnan(a.number()) || std::isnan(b.number()))) return false;
  const bool swapped = op == ">" || op == "<=";
  ASSIGN_OR_RETURN(const bool less, swapped ? Less(b, a, budget) : Less(a, b, budget));
  return op == "<" || op == ">" ? less : !less;
}

Result<Value> Slice(const Value& value, const Value& begin, const Value& end, const Value& step,
                    Budget* budget) {
  const bool is_range = value.sequence() != nullptr && value.sequence()->kind == Sequence::Kind::kRange;
  if (value.is_undefined()) return value.UndefinedError();
  if (!value.is_string() && !value.is_sequence() && !is_range) return Unsupported("[:]", value, value);
  for (const Value* bound : {&begin, &end, &step}) {
    if (!bound->is_none() && !bound->is_int() && !bound->is_bool()) {
      return InvalidArgument("a {} as the bound of a slice", bound->TypeName());
    }
  }
  const int64_t by = step.is_none() ? 1 : step.integer();
  if (by == 0) return InvalidArgument("a slice with step 0");
  ASSIGN_OR_RETURN(const int64_t size, Length(value, budget));
  // As in Python, negative bounds count from the end, and all bounds are clipped.
  const auto clip = [&](const Value& bound, int64_t otherwise) {
    if (bound.is_none()) return otherwise;
    const int64_t low = by > 0 ? 0 : -1;
    const int64_t high = by > 0 ? size : size - 1;
    int64_t at = std::clamp(bound.integer(), -size - 1, size + 1);
    if (at < 0) at += size;
    return std::clamp(at, low, high);
  };
  const int64_t first = clip(begin, by > 0 ? 0 : size - 1);
  const int64_t last = clip(end, by > 0 ? size : -1);
  if (value.is_string() && by == 1) {
    RETURN_IF_ERROR(budget->Spend(value.string().size() / 16));
    return Value::String(first < last ? Characters(value.string(), first, last) : "");
  }
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(value, budget));
  std::vector<Value> picked;
  for (int64_t i = first; by > 0 ? i < last : i > last;) {
    picked.push_back(items[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  if (value.is_tuple()) return Value::Tuple(std::move(picked));
  if (!value.is_string()) return Value::List(std::move(picked));
  std::string text;
  for (const Value& character : picked) text += character.string();
  return Value::String(std::move(text));
}

}  // namespace exeunt::text::jinja
