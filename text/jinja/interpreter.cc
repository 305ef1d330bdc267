#include "text/jinja/interpreter.h"

#include <algorithm>

#include "base/error.h"

namespace exeunt::text::jinja {
namespace {

constexpr int kMaxDepth = 300;  // nested statements, expressions and macro calls

bool HasLine(const Error& error) { return error.message.starts_with("line "); }

Error AtLine(Error error, int line) {
  return HasLine(error) ? std::move(error) : Annotate(std::move(error), fmt::format("line {}", line));
}

}  // namespace

Result<std::vector<Value>> Bind(const Arguments& arguments, std::initializer_list<std::string_view> names,
                                size_t required) {
  const size_t given = arguments.positional.size();
  if (given > names.size()) return InvalidArgument("{} arguments: at most {}", given, names.size());
  std::vector<Value> bound = arguments.positional;
  std::vector<bool> is_given(names.size(), false);
  std::fill_n(is_given.begin(), given, true);
  bound.resize(names.size());
  for (const auto& [name, value] : arguments.keyword) {
    const auto known = std::ranges::find(names, name);
    if (known == names.end()) return InvalidArgument("unknown argument '{}'", name.substr(0, 100));
    const auto at = static_cast<size_t>(known - names.begin());
    if (is_given[at]) return InvalidArgument("argument '{}' is given twice", name);
    is_given[at] = true;
    bound[at] = value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!is_given[i]) return InvalidArgument("argument '{}' is missing", *(names.begin() + i));
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
  root_ = &block;
  top_ = &top;
  return Capture(block, &top);
}

Status Interpreter::Print(std::string_view text) {
  if (text.size() > output_left_) return ResourceExhausted("the output is too large");
  output_left_ -= text.size();
  RETURN_IF_ERROR(budget_.Spend(text.size() / 16));
  output_->append(text);
  return OkStatus();
}

Status Interpreter::PrintValue(const Value& value) {
  ASSIGN_OR_RETURN(const std::string text, ToText(value, &budget_));
  return Print(autoescape_ && !value.is_markup() ? EscapeHtml(text) : text);
}

// Runs `block` with its own output.
Result<std::string> Interpreter::Capture(const Block& block, Frame* frame) {
  std::string text;
  std::string* outer = std::exchange(output_, &text);
  Result<Flow> flow = Run(block, frame);
  output_ = outer;
  if (!flow.has_value()) return flow.error();
  return text;
}

Result<Value> Interpreter::CaptureValue(const Block& block, Frame* frame) {
  Frame inner{.parent = frame};
  ASSIGN_OR_RETURN(std::string text, Capture(block, &inner));
  return autoescape_ ? Value::Markup(std::move(text)) : Value::String(std::move(text));
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
      RETURN_IF_ERROR(PrintValue(value));
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
      frame->Set(stmt.macro->name, Value::Macro({stmt.macro.get(), frame, autoescape_}));
      return Flow::kNext;
    case StmtKind::kWith: {
      Frame inner{.parent = frame};
      for (const auto& [target, expr] : stmt.assignments) {
        ASSIGN_OR_RETURN(Value value, Evaluate(*expr, frame));
        RETURN_IF_ERROR(Assign(*target, std::move(value), &inner));
      }
      return Run(stmt.body, &inner);
    }
    case StmtKind::kCall:
      return RunCallBlock(stmt, frame);
    case StmtKind::kFilter:
      return RunFilterBlock(stmt, frame);
    case StmtKind::kNamedBlock: {
      Frame inner{.parent = stmt.scoped ? frame : top_};
      return Run(stmt.body, &inner);
    }
    case StmtKind::kAutoescape:
      return RunAutoescape(stmt, frame);
    case StmtKind::kGeneration: {
      Frame inner{.parent = frame};
      return Run(stmt.body, &inner);
    }
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
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

Result<Value> Interpreter::ApplyChain(const Expr* chain, Value value, Frame* frame) {
  std::vector<const Expr*> filters;  // outermost first
  for (const Expr* filter = chain; filter != nullptr; filter = filter->args[0].get())
    filters.push_back(filter);
  for (auto filter = filters.rbegin(); filter != filters.rend(); ++filter) {
    ASSIGN_OR_RETURN(const Arguments arguments, EvaluateArguments(**filter, frame));
    ASSIGN_OR_RETURN(value, ApplyFilter((*filter)->name, value, arguments));
  }
  return value;
}

Result<Interpreter::Flow> Interpreter::RunSetBlock(const Stmt& stmt, Frame* frame) {
  ASSIGN_OR_RETURN(Value text, CaptureValue(stmt.body, frame));
  ASSIGN_OR_RETURN(Value value, ApplyChain(stmt.expr.get(), std::move(text), frame));
  RETURN_IF_ERROR(Assign(*stmt.target, std::move(value), frame));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunFilterBlock(const Stmt& stmt, Frame* frame) {
  ASSIGN_OR_RETURN(Value text, CaptureValue(stmt.body, frame));
  ASSIGN_OR_RETURN(const Value value, ApplyChain(stmt.expr.get(), std::move(text), frame));
  if (!value.is_string())
    return InvalidArgument("a filter block gives a {} instead of str", value.TypeName());
  RETURN_IF_ERROR(Print(value.string()));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::RunAutoescape(const Stmt& stmt, Frame* frame) {
  ASSIGN_OR_RETURN(const Value on, Evaluate(*stmt.expr, frame));
  const bool outer = std::exchange(autoescape_, on.Truthy());
  Frame inner{.parent = frame};
  Result<Flow> flow = Run(stmt.body, &inner);
  autoescape_ = outer;
  return flow;
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
  if (name == "self") return Value::Self();
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
  if (callee.loop() != nullptr) return CallLoop(*callee.loop(), arguments);
  if (callee.method() != nullptr) {
    return CallMethod(*this, callee.method()->object, callee.method()->name, arguments);
  }
  if (Joiner* joiner = callee.joiner()) {
    RETURN_IF_ERROR(Bind(arguments, {}));
    return Value::String(std::exchange(joiner->used, true) ? joiner->separator : "");
  }
  if (callee.block() != nullptr) {
    RETURN_IF_ERROR(Bind(arguments, {}));
    return CallBlock(*callee.block()->block);
  }
  if (callee.is_undefined()) return callee.UndefinedError();
  return InvalidArgument("a {} cannot be called", callee.TypeName());
}

}  // namespace exeunt::text::jinja
