// Interpreter: expressions.
#include <algorithm>

#include "base/error.h"
#include "model/jinja/interpreter.h"
#include "model/jinja/operators.h"
#include "model/jinja/python_text.h"

namespace exeunt::jinja {
namespace {

Result<Value> LoopAttribute(const LoopState& loop, const std::string& name) {
  const auto size = static_cast<int64_t>(loop.items->size());
  const auto index0 = static_cast<int64_t>(loop.index0);
  if (name == "index") return Value::Int(index0 + 1);
  if (name == "index0") return Value::Int(index0);
  if (name == "revindex") return Value::Int(size - index0);
  if (name == "revindex0") return Value::Int(size - index0 - 1);
  if (name == "first") return Value::Bool(index0 == 0);
  if (name == "last") return Value::Bool(index0 == size - 1);
  if (name == "length") return Value::Int(size);
  if (name == "depth") return Value::Int(1);  // only recursive loops, which there are none, go deeper
  if (name == "depth0") return Value::Int(0);
  if (name == "previtem") return index0 > 0 ? (*loop.items)[loop.index0 - 1] : Value::Missing("previtem");
  if (name == "nextitem")
    return index0 + 1 < size ? (*loop.items)[loop.index0 + 1] : Value::Missing("nextitem");
  return Unimplemented("loop.{} is not supported", name);
}

}  // namespace

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
      return expr.kind == ExprKind::kNegative ? std::move(negative) : value;
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

Result<Value> Interpreter::EvaluateConcat(const Expr& expr, Frame* frame) {
  std::string text;
  for (const ExprPtr& part : expr.args) {
    ASSIGN_OR_RETURN(const Value value, Evaluate(*part, frame));
    ASSIGN_OR_RETURN(const std::string part_text, ToText(value, &budget_));
    text += part_text;
  }
  return Value::String(std::move(text));
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
  return arguments;
}

Result<Value> Interpreter::GetAttribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) return InvalidArgument("'{}' is undefined", value.name());
  if (value.loop() != nullptr) return LoopAttribute(*value.loop(), name);
  if (value.space() != nullptr) {
    RETURN_IF_ERROR(budget_.Spend(value.space()->attributes.size() / 16));
    for (const auto& [known, attribute] : value.space()->attributes) {
      if (known == name) return attribute;
    }
    return Value::Missing(name);
  }
  if (HasMethod(value, name)) return Value::OfMethod(value, name);
  if (value.dict() != nullptr) {
    RETURN_IF_ERROR(budget_.Spend(value.dict()->items.size() / 8));
    if (const Value* item = value.dict()->Find(name)) return *item;
  }
  return Value::Missing(name);
}

Result<Value> Interpreter::GetItem(const Value& value, const Value& key) {
  if (value.is_undefined()) return InvalidArgument("'{}' is undefined", value.name());
  if (value.dict() != nullptr) {
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
  if (value.list() != nullptr && index) {
    const auto size = static_cast<int64_t>(value.list()->items.size());
    const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at >= 0 && at < size) return value.list()->items[static_cast<size_t>(at)];
    return Value::Missing("an index out of range");
  }
  return Value::Missing(key.is_undefined() ? key.name() : "an item");
}

Result<Value> Interpreter::GetPath(const Value& value, const Value& path) {
  if (!path.is_string()) return GetItem(value, path);
  RETURN_IF_ERROR(budget_.Spend(1 + path.string().size() / 4));
  Value at = value;
  for (const std::string& part : SplitText(path.string(), ".", -1)) {
    const bool number =
        part.size() < 10 && AllCharacters(part, [](char32_t c) { return c >= '0' && c <= '9'; });
    ASSIGN_OR_RETURN(at, GetItem(at, number ? Value::Int(std::stoll(part)) : Value::String(part)));
  }
  return at;
}

}  // namespace exeunt::jinja
