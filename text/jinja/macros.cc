// The macros, call blocks and blocks of `self` of Interpreter.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {
namespace {

// Finds a block and counts the visited statements.
const Stmt* FindBlock(const Block& block, const std::string& name, size_t* n) {
  for (const StmtPtr& stmt : block) {
    ++*n;
    if (stmt->kind == StmtKind::kNamedBlock && stmt->text == name) return stmt.get();
    std::vector<const Block*> inner = {&stmt->body, &stmt->otherwise};
    for (const Branch& branch : stmt->branches) inner.push_back(&branch.body);
    if (stmt->macro != nullptr) inner.push_back(&stmt->macro->body);
    for (const Block* body : inner) {
      if (const Stmt* found = FindBlock(*body, name, n)) return found;
    }
  }
  return nullptr;
}

bool Has(const Frame& frame, const std::string& name) {
  return std::ranges::count(frame.names, name, [](const auto& n) { return n.first; }) > 0;
}

}  // namespace

Result<Value> MacroAttribute(const MacroDefinition& macro, const std::string& name) {
  if (name == "name") return macro.name.empty() ? Value::None() : Value::String(macro.name);
  if (name == "catch_kwargs") return Value::Bool(macro.uses_kwargs);
  if (name == "catch_varargs") return Value::Bool(macro.uses_varargs);
  if (name == "caller") return Value::Bool(macro.uses_caller);
  if (name != "arguments") return Value::Missing(name);
  std::vector<Value> parameters;
  for (const std::string& parameter : macro.parameters) parameters.push_back(Value::String(parameter));
  return Value::Tuple(std::move(parameters));
}

Result<Value> Interpreter::BlockOf(const std::string& name) {
  size_t n = 0;
  const Stmt* block = FindBlock(*root_, name, &n);
  RETURN_IF_ERROR(budget_.Spend(n));
  return block == nullptr ? Value::Missing(name) : Value::Block(block);
}

Result<Value> Interpreter::CallBlock(const Stmt& block) { return CaptureValue(block.body, top_); }

Result<Value> Interpreter::CallMacro(const BoundMacro& bound, const Arguments& arguments) {
  const MacroDefinition& macro = *bound.definition;
  Frame frame{.parent = bound.scope};
  RETURN_IF_ERROR(BindMacro(macro, arguments, &frame));
  const bool outer = std::exchange(autoescape_, bound.autoescape);
  Result<std::string> captured = Capture(macro.body, &frame);
  autoescape_ = outer;
  if (!captured.has_value()) return captured.error();
  std::string text = std::move(captured).value();
  return autoescape_ ? Value::Markup(std::move(text)) : Value::String(std::move(text));
}

Status Interpreter::BindMacro(const MacroDefinition& macro, const Arguments& arguments, Frame* frame) {
  const size_t n = macro.parameters.size();
  RETURN_IF_ERROR(budget_.Spend(n + arguments.positional.size()));
  Arguments extras;
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    if (i < n) {
      frame->Set(macro.parameters[i], arguments.positional[i]);
    } else {
      extras.positional.push_back(arguments.positional[i]);
    }
  }
  for (const auto& argument : arguments.keyword) {
    const auto& parameters = macro.parameters;
    if (std::ranges::count(parameters, argument.first) == 0) {
      extras.keyword.push_back(argument);
    } else if (Has(*frame, argument.first)) {
      return InvalidArgument("macro '{}' got '{}' twice", macro.name, argument.first);
    } else {
      frame->Set(argument.first, argument.second);
    }
  }
  RETURN_IF_ERROR(BindExtras(macro, extras, frame));
  return BindDefaults(macro, frame);
}

// Binds varargs, kwargs and caller, which a macro has if its body names them.
Status Interpreter::BindExtras(const MacroDefinition& macro, const Arguments& extras, Frame* frame) {
  std::vector<std::pair<Value, Value>> kwargs;
  const bool takes_caller = macro.uses_caller && std::ranges::count(macro.parameters, "caller") == 0;
  if (takes_caller) frame->Set("caller", Value::Missing("caller"));
  for (const auto& [name, value] : extras.keyword) {
    if (takes_caller && name == "caller") {
      frame->Set(name, value);
    } else if (macro.uses_kwargs) {
      kwargs.emplace_back(Value::String(name), value);
    } else if (name == "caller") {
      return InvalidArgument("macro '{}' is called by a call block and uses no caller()", macro.name);
    } else {
      return InvalidArgument("macro '{}' has no parameter '{}'", macro.name, name.substr(0, 100));
    }
  }
  if (macro.uses_kwargs) {
    ASSIGN_OR_RETURN(Value dict, Value::Dict(std::move(kwargs), &budget_));
    frame->Set("kwargs", std::move(dict));
  }
  if (macro.uses_varargs) {
    ASSIGN_OR_RETURN(Value tuple, Value::Tuple(extras.positional));
    frame->Set("varargs", std::move(tuple));
    return OkStatus();
  }
  if (extras.positional.empty()) return OkStatus();
  return InvalidArgument("macro '{}' takes not more than {} arguments", macro.name, macro.parameters.size());
}

Status Interpreter::BindDefaults(const MacroDefinition& macro, Frame* frame) {
  const size_t first_default = macro.parameters.size() - macro.defaults.size();
  for (size_t i = 0; i < macro.parameters.size(); ++i) {
    const std::string& name = macro.parameters[i];
    if (Has(*frame, name)) continue;
    Value value = Value::Missing(name);
    if (i >= first_default) {
      ASSIGN_OR_RETURN(value, Evaluate(*macro.defaults[i - first_default], frame));
    }
    frame->Set(name, std::move(value));
  }
  return OkStatus();
}

Result<Interpreter::Flow> Interpreter::RunCallBlock(const Stmt& stmt, Frame* frame) {
  ASSIGN_OR_RETURN(const Value callee, Evaluate(*stmt.expr->args[0], frame));
  ASSIGN_OR_RETURN(Arguments arguments, EvaluateArguments(*stmt.expr, frame));
  arguments.keyword.emplace_back("caller", Value::Macro({stmt.macro.get(), frame, autoescape_}));
  ASSIGN_OR_RETURN(const Value value, Call(callee, arguments));
  if (!value.is_string()) return InvalidArgument("a call block gives a {} instead of str", value.TypeName());
  RETURN_IF_ERROR(Print(value.string()));
  return Flow::kNext;
}

}  // namespace exeunt::text::jinja
