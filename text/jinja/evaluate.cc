// The expressions of Interpreter.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/operators.h"

namespace exeunt::text::jinja {
Result<Value> Interpreter::EvaluateInner(const Expr& expr, Frame* frame) {
  const auto arg = [&](size_t i) { return Evaluate(*expr.args[i], frame); };
  switch (expr.kind) {
    case ExprKind::kConst:
      return expr.constant;
    case ExprKind::kName:
      return Lookup(expr.name, frame);
    case ExprKind::kList:
    case ExprKind::kTuple: {
      ASSIGN_OR_RETURN(std::vector<Value> items, EvaluateAll(expr.args, frame));
      return expr.kind == ExprKind::kList ? Value::List(std::move(items)) : Value::Tuple(std::move(items));
    }
    case ExprKind::kDict:
      return EvaluateDict(expr, frame);
    case ExprKind::kGetAttr: {
      ASSIGN_OR_RETURN(const Value object, arg(0));
      return GetAttribute(object, expr.name);
    }
    case ExprKind::kGetItem:
      return EvaluateGetItem(expr, frame);
    case ExprKind::kSlice:
      return InvalidArgument("a slice outside a subscript");
    case ExprKind::kCall: {
      ASSIGN_OR_RETURN(const Value callee, arg(0));
      ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expr, frame));
      return Call(callee, arguments);
    }
    case ExprKind::kFilter: {
      ASSIGN_OR_RETURN(const Value value, arg(0));
      ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expr, frame));
      return ApplyFilter(expr.name, value, arguments);
    }
    case ExprKind::kTest: {
      ASSIGN_OR_RETURN(const Value value, arg(0));
      ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(expr, frame));
      ASSIGN_OR_RETURN(const bool holds, ApplyTest(expr.name, value, arguments));
      return Value::Bool(holds);
    }
    case ExprKind::kNot: {
      ASSIGN_OR_RETURN(const Value value, arg(0));
      return Value::Bool(!value.Truthy());
    }
    case ExprKind::kNegative:
    case ExprKind::kPositive: {
      ASSIGN_OR_RETURN(const Value value, arg(0));
      ASSIGN_OR_RETURN(Value negative, Negate(value));
      if (expr.kind == ExprKind::kNegative) return negative;
      return value;
    }
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      ASSIGN_OR_RETURN(Value left, arg(0));
      return left.Truthy() == (expr.kind == ExprKind::kOr) ? std::move(left) : arg(1);
    }
    case ExprKind::kBinary: {
      ASSIGN_OR_RETURN(const Value left, arg(0));
      ASSIGN_OR_RETURN(const Value right, arg(1));
      return Arithmetic(expr.name, left, right, &budget_);
    }
    case ExprKind::kConcat:
      return EvaluateConcat(expr, frame);
    case ExprKind::kCompare:
      return EvaluateCompare(expr, frame);
    case ExprKind::kCond:
      return EvaluateCond(expr, frame);
  }
  return Value();
}

Result<std::vector<Value>> Interpreter::EvaluateAll(const std::vector<ExprPtr>& exprs, Frame* frame) {
  std::vector<Value> values;
  for (const ExprPtr& expr : exprs) {
    ASSIGN_OR_RETURN(Value value, Evaluate(*expr, frame));
    values.push_back(std::move(value));
  }
  return values;
}

Result<Value> Interpreter::EvaluateDict(const Expr& expr, Frame* frame) {
  ASSIGN_OR_RETURN(std::vector<Value> values, EvaluateAll(expr.args, frame));
  std::vector<std::pair<Value, Value>> items;
  for (size_t i = 0; i + 1 < values.size(); i += 2)
    items.emplace_back(std::move(values[i]), std::move(values[i + 1]));
  return Value::Dict(std::move(items), &budget_);
}

Result<Value> Interpreter::EvaluateGetItem(const Expr& expr, Frame* frame) {
  ASSIGN_OR_RETURN(const Value object, Evaluate(*expr.args[0], frame));
  const Expr& index = *expr.args[1];
  if (index.kind != ExprKind::kSlice) {
    ASSIGN_OR_RETURN(const Value key, Evaluate(index, frame));
    return GetItem(object, key);
  }
  std::vector<Value> bounds;
  for (const ExprPtr& bound : index.args) {
    Value value = Value::None();
    if (bound != nullptr) {
      ASSIGN_OR_RETURN(value, Evaluate(*bound, frame));
    }
    bounds.push_back(std::move(value));
  }
  return Slice(object, bounds[0], bounds[1], bounds[2], &budget_);
}

Result<Value> Interpreter::EvaluateCompare(const Expr& expr, Frame* frame) {
  ASSIGN_OR_RETURN(Value left, Evaluate(*expr.args[0], frame));
  for (size_t i = 0; i < expr.names.size(); ++i) {
    ASSIGN_OR_RETURN(Value right, Evaluate(*expr.args[i + 1], frame));
    ASSIGN_OR_RETURN(const bool holds, Compare(expr.names[i], left, right, &budget_));
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

// If text is escaped, one part that is Markup makes the whole result Markup.
Result<Value> Interpreter::EvaluateConcat(const Expr& expr, Frame* frame) {
  ASSIGN_OR_RETURN(const std::vector<Value> parts, EvaluateAll(expr.args, frame));
  const bool markup = autoescape_ && std::ranges::any_of(parts, [](const Value& v) { return v.is_markup(); });
  std::string text;
  for (const Value& part : parts) {
    ASSIGN_OR_RETURN(const std::string part_text, ToText(part, &budget_));
    text += markup && !part.is_markup() ? EscapeHtml(part_text) : part_text;
  }
  return markup ? Value::Markup(std::move(text)) : Value::String(std::move(text));
}

Result<Value> Interpreter::EvaluateCond(const Expr& expr, Frame* frame) {
  ASSIGN_OR_RETURN(const Value condition, Evaluate(*expr.args[1], frame));
  if (condition.Truthy()) return Evaluate(*expr.args[0], frame);
  if (expr.args[2] == nullptr) return Value::Missing("the missing else of an inline if");
  return Evaluate(*expr.args[2], frame);
}

Result<Arguments> Interpreter::EvaluateArguments(const Expr& expr, Frame* frame) {
  Arguments arguments;
  for (size_t i = 1; i < expr.args.size(); ++i) {
    ASSIGN_OR_RETURN(Value value, Evaluate(*expr.args[i], frame));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, argument] : expr.kwargs) {
    ASSIGN_OR_RETURN(Value value, Evaluate(*argument, frame));
    arguments.keyword.emplace_back(name, std::move(value));
  }
  RETURN_IF_ERROR(EvaluateStars(expr, frame, &arguments));
  return arguments;
}

Status Interpreter::EvaluateStars(const Expr& expr, Frame* frame, Arguments* arguments) {
  if (expr.star != nullptr) {
    ASSIGN_OR_RETURN(const Value star, Evaluate(*expr.star, frame));
    ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(star, &budget_));
    for (Value& item : items) arguments->positional.push_back(std::move(item));
  }
  if (expr.double_star == nullptr) return OkStatus();
  ASSIGN_OR_RETURN(const Value mapping, Evaluate(*expr.double_star, frame));
  if (mapping.is_undefined()) return mapping.UndefinedError();
  if (mapping.dict() == nullptr) return InvalidArgument("** of a {}", mapping.TypeName());
  for (const auto& [key, value] : mapping.dict()->items) {
    RETURN_IF_ERROR(budget_.Spend(1 + arguments->keyword.size() / 16));
    if (!key.is_string()) return InvalidArgument("** with a {} as a name", key.TypeName());
    for (const auto& [known, unused] : arguments->keyword) {
      if (known == key.string()) return InvalidArgument("argument '{}' is given twice", known.substr(0, 100));
    }
    arguments->keyword.emplace_back(key.string(), value);
  }
  return OkStatus();
}

Result<Value> Interpreter::GetAttribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) return value.UndefinedError();
  if (IsForbidden(value, name)) return Value::Forbidden(name, value.TypeName());
  if (value.loop() != nullptr) return LoopAttribute(value, name);
  if (value.macro() != nullptr) return MacroAttribute(*value.macro()->definition, name);
  if (value.is_self()) return BlockOf(name);
  if (value.space() != nullptr) {
    RETURN_IF_ERROR(budget_.Spend(value.space()->attributes.size() / 16));
    for (const auto& [known, attribute] : value.space()->attributes) {
      if (known == name) return attribute;
    }
    return Value::Missing(name);
  }
  if (const Cycler* cycler = value.cycler()) {
    if (name == "current") return cycler->items[cycler->at];
    if (name == "pos") return Value::Int(static_cast<int64_t>(cycler->at));
    if (name == "items") {
      RETURN_IF_ERROR(budget_.Spend(cycler->items.size()));
      return Value::Tuple(cycler->items);
    }
  }
  if (value.is_tuple() && value.list()->group) {
    if (name == "grouper") return value.list()->items[0];
    if (name == "list") return value.list()->items[1];
  }
  if (HasMethod(value, name)) return Value::OfMethod(value, name);
  if (value.dict() != nullptr) {
    RETURN_IF_ERROR(budget_.Spend(value.dict()->items.size() / 8));
    if (const Value* item = value.dict()->Find(name)) return *item;
  }
  return Value::Missing(name);
}

Result<Value> Interpreter::GetItem(const Value& value, const Value& key) {
  if (value.is_undefined()) return value.UndefinedError();
  if (value.dict() != nullptr && key.Hashable()) {
    for (const auto& [known, item] : value.dict()->items) {
      ASSIGN_OR_RETURN(const bool equal, Equal(known, key, &budget_));
      if (equal) return item;
    }
  }
  if (key.is_string()) return GetAttribute(value, key.string());
  const bool index = key.is_int() || key.is_bool();
  if (value.is_string() && index) {
    const int64_t at = key.integer();
    if (at == INT64_MAX) return Value::Missing("an index out of range");
    const Value end = at == -1 ? Value::None() : Value::Int(at + 1);
    ASSIGN_OR_RETURN(Value character, Slice(value, Value::Int(at), end, Value::None(), &budget_));
    return character.string().empty() ? Value::Missing("an index out of range") : std::move(character);
  }
  const bool is_range = value.sequence() != nullptr && value.sequence()->kind == Sequence::Kind::kRange;
  if ((value.list() != nullptr || is_range) && index) {
    const std::vector<Value>& items = is_range ? value.sequence()->items : value.list()->items;
    const auto size = static_cast<int64_t>(items.size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at >= 0 && at < size) return items[static_cast<size_t>(at)];
    return Value::Missing("an index out of range");
  }
  return Value::Missing(key.is_undefined() ? key.name() : "an item");
}

}  // namespace exeunt::text::jinja
