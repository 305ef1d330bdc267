#include "model/jinja/interpreter.h"

#include <algorithm>

#include "base/error.h"

namespace exeunt::jinja {
namespace {

constexpr int kMaxDepth = 300;  // of nested statements, expressions and macro calls

bool HasLine(const Error& error) { return error.message.starts_with("line "); }

Error AtLine(Error error, int line) {
  return HasLine(error) ? std::move(error) : Annotate(std::move(error), fmt::format("line {}", line));
}

}  // namespace

Result<std::vector<Value>> Bind(const Arguments& arguments, std::initializer_list<std::string_view> names) {
  if (arguments.positional.size() > names.size()) {
    return InvalidArgument("{} arguments: at most {}", arguments.positional.size(), names.size());
  }
  std::vector<Value> bound = arguments.positional;
  bound.resize(names.size());
  for (const auto& [name, value] : arguments.keyword) {
    const auto at = std::ranges::find(names, name);
    if (at == names.end()) return InvalidArgument("unknown argument '{}'", name);
    bound[static_cast<size_t>(at - names.begin())] = value;
  }
  return bound;
}

void Frame::Set(const std::string& name, Value value) {
  for (auto& [known, old] : names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  names.emplace_back(name, std::move(value));
}

Result<std::string> Interpreter::Render(const Block& block,
                                        std::vector<std::pair<std::string, Value>> variables) {
  Frame globals{.names = std::move(variables)};
  Frame top{.parent = &globals};
  return Capture(block, &top);
}

Status Interpreter::Print(std::string_view text) {
  if (text.size() > output_left_) return ResourceExhausted("the output is too large");
  output_left_ -= text.size();
  RETURN_IF_ERROR(budget_.Spend(text.size() / 16));
  output_->append(text);
  return OkStatus();
}

// Runs `block` with an output of its own.
Result<std::string> Interpreter::Capture(const Block& block, Frame* frame) {
  std::string text;
  std::string* outer = std::exchange(output_, &text);
  Result<Flow> flow = Run(block, frame);
  output_ = outer;
  if (!flow.has_value()) return flow.error();
  return text;
}

Result<Interpreter::Flow> Interpreter::Run(const Block& block, Frame* frame) {
  if (depth_ >= kMaxDepth) return ResourceExhausted("nested more than {} deep", kMaxDepth);
  ++depth_;
  Result<Flow> flow = Flow::kNext;
  for (const StmtPtr& stmt : block) {
    flow = RunOne(*stmt, frame);
    if (!flow.has_value()) flow = AtLine(flow.error(), stmt->line);
    if (!flow.has_value() || *flow != Flow::kNext) break;
  }
  --depth_;
  return flow;
}

Result<Interpreter::Flow> Interpreter::RunOne(const Stmt& stmt, Frame* frame) {
  RETURN_IF_ERROR(budget_.Spend(1));
  switch (stmt.kind) {
    case StmtKind::kText:
      RETURN_IF_ERROR(Print(stmt.text));
      return Flow::kNext;
    case StmtKind::kOutput: {
      ASSIGN_OR_RETURN(const Value value, Evaluate(*stmt.expr, frame));
      ASSIGN_OR_RETURN(const std::string text, ToText(value, &budget_));
      RETURN_IF_ERROR(Print(text));
      return Flow::kNext;
    }
    case StmtKind::kIf:
      return RunIf(stmt, frame);
    case StmtKind::kFor:
      return RunFor(stmt, frame);
    case StmtKind::kSet: {
      ASSIGN_OR_RETURN(Value value, Evaluate(*stmt.expr, frame));
      RETURN_IF_ERROR(Assign(*stmt.target, std::move(value), frame));
      return Flow::kNext;
    }
    case StmtKind::kSetBlock:
      return RunSetBlock(stmt, frame);
    case StmtKind::kMacro:
      frame->Set(stmt.macro->name, Value::Macro({stmt.macro.get(), frame}));
      return Flow::kNext;
    case StmtKind::kWith: {
      Frame inner{.parent = frame};
      for (const auto& [target, expr] : stmt.assignments) {
        ASSIGN_OR_RETURN(Value value, Evaluate(*expr, frame));
        RETURN_IF_ERROR(Assign(*target, std::move(value), &inner));
      }
      return Run(stmt.body, &inner);
    }
    case StmtKind::kBlock:
      return Run(stmt.body, frame);
    case StmtKind::kBreak:
    case StmtKind::kContinue:
      if (loop_depth_ == 0) return InvalidArgument("break or continue outside a loop");
      return stmt.kind == StmtKind::kBreak ? Flow::kBreak : Flow::kContinue;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunIf(const Stmt& stmt, Frame* frame) {
  for (const Branch& branch : stmt.branches) {
    ASSIGN_OR_RETURN(const Value condition, Evaluate(*branch.condition, frame));
    if (condition.Truthy()) return Run(branch.body, frame);
  }
  return Run(stmt.otherwise, frame);
}

Result<Interpreter::Flow> Interpreter::RunFor(const Stmt& stmt, Frame* frame) {
  ASSIGN_OR_RETURN(const Value over, Evaluate(*stmt.expr, frame));
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(over, &budget_));
  if (stmt.condition != nullptr) {
    std::vector<Value> kept;
    for (const Value& item : items) {
      Frame inner{.parent = frame};
      RETURN_IF_ERROR(Assign(*stmt.target, item, &inner));
      ASSIGN_OR_RETURN(const Value keep, Evaluate(*stmt.condition, &inner));
      if (keep.Truthy()) kept.push_back(item);
    }
    items = std::move(kept);
  }
  if (items.empty()) return Run(stmt.otherwise, frame);
  LoopState loop{&items, 0};
  Result<Flow> flow = Flow::kNext;
  ++loop_depth_;
  for (; loop.index0 < items.size(); ++loop.index0) {
    Frame inner{.parent = frame};
    inner.Set("loop", Value::Loop(&loop));
    const Status assigned = Assign(*stmt.target, items[loop.index0], &inner);
    flow = assigned.has_value() ? Run(stmt.body, &inner) : Result<Flow>(assigned.error());
    if (!flow.has_value() || *flow == Flow::kBreak) break;
  }
  --loop_depth_;
  if (!flow.has_value()) return flow;
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunSetBlock(const Stmt& stmt, Frame* frame) {
  Frame inner{.parent = frame};
  const int outer_loops = std::exchange(loop_depth_, 0);
  Result<std::string> text = Capture(stmt.body, &inner);
  loop_depth_ = outer_loops;
  if (!text.has_value()) return text.error();
  Value value = Value::String(std::move(text).value());
  // The filters, innermost first; the innermost one applies to the block.
  std::vector<const Expr*> filters;
  for (const Expr* filter = stmt.expr.get(); filter != nullptr; filter = filter->args[0].get()) {
    filters.push_back(filter);
  }
  for (auto filter = filters.rbegin(); filter != filters.rend(); ++filter) {
    ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(**filter, frame));
    ASSIGN_OR_RETURN(value, ApplyFilter((*filter)->name, value, arguments));
  }
  RETURN_IF_ERROR(Assign(*stmt.target, std::move(value), frame));
  return Flow::kNext;
}

Status Interpreter::Assign(const Expr& target, Value value, Frame* frame) {
  if (target.kind == ExprKind::kName) {
    RETURN_IF_ERROR(budget_.Spend(frame->names.size() / 16));
    frame->Set(target.name, std::move(value));
    return OkStatus();
  }
  if (target.kind == ExprKind::kGetAttr) {
    const std::string& name = target.args[0]->name;
    ASSIGN_OR_RETURN(const Value object, Lookup(name, frame));
    if (object.space() == nullptr) return InvalidArgument("'{}' is not a namespace", name);
    if (!value.Storable()) return Unimplemented("a {} in a namespace", value.TypeName());
    auto& attributes = object.space()->attributes;
    RETURN_IF_ERROR(budget_.Spend(attributes.size() / 16));
    const auto at = std::ranges::find(attributes, target.name, [](const auto& a) { return a.first; });
    if (at != attributes.end()) {
      at->second = std::move(value);
    } else {
      attributes.emplace_back(target.name, std::move(value));
    }
    return OkStatus();
  }
  ASSIGN_OR_RETURN(std::vector<Value> parts, Iterate(value, &budget_));
  if (parts.size() != target.args.size()) {
    return InvalidArgument("{} values for {} names", parts.size(), target.args.size());
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    RETURN_IF_ERROR(Assign(*target.args[i], std::move(parts[i]), frame));
  }
  return OkStatus();
}

Result<Value> Interpreter::Lookup(const std::string& name, const Frame* frame) {
  for (; frame != nullptr; frame = frame->parent) {
    RETURN_IF_ERROR(budget_.Spend(frame->names.size() / 16));
    for (const auto& [known, value] : frame->names) {
      if (known == name) return value;
    }
  }
  const std::optional<Function> function = FindFunction(name);
  return function.has_value() ? Value::Builtin(*function) : Value::Missing(name);
}

Result<Value> Interpreter::Evaluate(const Expr& expr, Frame* frame) {
  RETURN_IF_ERROR(budget_.Spend(1));
  if (depth_ >= kMaxDepth) return AtLine(ResourceExhausted("nested more than {} deep", kMaxDepth), expr.line);
  ++depth_;
  Result<Value> value = EvaluateInner(expr, frame);
  --depth_;
  if (!value.has_value()) return AtLine(value.error(), expr.line);
  return value;
}

Result<Value> Interpreter::Call(const Value& callee, const Arguments& arguments) {
  if (callee.macro() != nullptr) return CallMacro(*callee.macro(), arguments);
  if (callee.builtin() != nullptr) return CallFunction(*callee.builtin(), arguments, &budget_);
  if (callee.method() != nullptr) {
    return CallMethod(callee.method()->object, callee.method()->name, arguments, &budget_);
  }
  if (callee.is_undefined()) return InvalidArgument("'{}' is undefined", callee.name());
  return InvalidArgument("a {} cannot be called", callee.TypeName());
}

Result<Value> Interpreter::CallMacro(const BoundMacro& bound, const Arguments& arguments) {
  const MacroDefinition& macro = *bound.definition;
  if (arguments.positional.size() > macro.parameters.size()) {
    return InvalidArgument("macro '{}' takes not more than {} arguments", macro.name,
                           macro.parameters.size());
  }
  Frame frame{.parent = bound.scope};
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    frame.Set(macro.parameters[i], arguments.positional[i]);
  for (const auto& [name, value] : arguments.keyword) {
    const auto at = std::ranges::find(macro.parameters, name);
    if (at == macro.parameters.end())
      return InvalidArgument("macro '{}' has no parameter '{}'", macro.name, name);
    if (static_cast<size_t>(at - macro.parameters.begin()) < arguments.positional.size()) {
      return InvalidArgument("macro '{}' got '{}' twice", macro.name, name);
    }
    frame.Set(name, value);
  }
  const size_t first_default = macro.parameters.size() - macro.defaults.size();
  for (size_t i = arguments.positional.size(); i < macro.parameters.size(); ++i) {
    const std::string& name = macro.parameters[i];
    if (std::ranges::count(frame.names, name, [](const auto& n) { return n.first; }) > 0) continue;
    Value value = Value::Missing(name);
    if (i >= first_default) {
      ASSIGN_OR_RETURN(value, Evaluate(*macro.defaults[i - first_default], &frame));
    }
    frame.Set(name, std::move(value));
  }
  const int outer_loops = std::exchange(loop_depth_, 0);
  Result<std::string> text = Capture(macro.body, &frame);
  loop_depth_ = outer_loops;
  if (!text.has_value()) return text.error();
  return Value::String(std::move(text).value());
}

}  // namespace exeunt::jinja
