// The loops of Interpreter, and `loop` inside them.
#include "base/error.h"
#include "text/jinja/interpreter.h"

namespace exeunt::text::jinja {

Value LoopAttribute(const Value& value, const std::string& name) {
  const LoopState& loop = *value.loop();
  const auto size = static_cast<int64_t>(loop.items->size());
  const auto index0 = static_cast<int64_t>(loop.index0);
  if (name == "index") return Value::Int(index0 + 1);
  if (name == "index0") return Value::Int(index0);
  if (name == "revindex") return Value::Int(size - index0);
  if (name == "revindex0") return Value::Int(size - index0 - 1);
  if (name == "first") return Value::Bool(index0 == 0);
  if (name == "last") return Value::Bool(index0 == size - 1);
  if (name == "length") return Value::Int(size);
  if (name == "depth") return Value::Int(loop.depth0 + 1);
  if (name == "depth0") return Value::Int(loop.depth0);
  if (name == "previtem") return index0 > 0 ? (*loop.items)[loop.index0 - 1] : Value::Missing("previtem");
  if (name == "nextitem")
    return index0 + 1 < size ? (*loop.items)[loop.index0 + 1] : Value::Missing("nextitem");
  if (name == "cycle" || name == "changed") return Value::OfMethod(value, name);
  return Value::Missing(name);
}

// Returns the items for which the loop's condition holds.
Result<std::vector<Value>> Interpreter::SelectItems(const Stmt& stmt, std::vector<Value> items,
                                                    Frame* frame) {
  if (stmt.condition == nullptr) return items;
  std::vector<Value> kept;
  for (const Value& item : items) {
    Frame inner{.parent = frame};
    RETURN_IF_ERROR(Assign(*stmt.target, item, &inner));
    ASSIGN_OR_RETURN(const Value keep, Evaluate(*stmt.condition, &inner));
    if (keep.Truthy()) kept.push_back(item);
  }
  return kept;
}

Result<Interpreter::Flow> Interpreter::RunFor(const Stmt& stmt, Frame* frame) {
  ASSIGN_OR_RETURN(const Value over, Evaluate(*stmt.expr, frame));
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(over, &budget_));
  return RunLoop(stmt, std::move(items), 0, frame);
}

Result<Interpreter::Flow> Interpreter::RunLoop(const Stmt& stmt, std::vector<Value> all, int depth0,
                                               Frame* frame) {
  ASSIGN_OR_RETURN(const std::vector<Value> items, SelectItems(stmt, std::move(all), frame));
  if (items.empty()) {
    Frame inner{.parent = frame};
    return Run(stmt.otherwise, &inner);
  }
  LoopState loop{.items = &items, .depth0 = depth0};
  if (stmt.recursive) {
    loop.recursive = &stmt;
    loop.scope = frame;
  }
  for (; loop.index0 < items.size(); ++loop.index0) {
    Frame inner{.parent = frame};
    inner.Set("loop", Value::Loop(&loop));
    RETURN_IF_ERROR(Assign(*stmt.target, items[loop.index0], &inner));
    ASSIGN_OR_RETURN(const Flow flow, Run(stmt.body, &inner));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

// Implements loop(items), which is the text of the same loop over other items.
Result<Value> Interpreter::CallLoop(const LoopState& loop, const Arguments& arguments) {
  if (loop.recursive == nullptr) return InvalidArgument("loop(...) in a loop that is not 'recursive'");
  ASSIGN_OR_RETURN(const auto bound, Bind(arguments, {"iterable"}, 1));
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(bound[0], &budget_));
  std::string text;
  std::string* outer = std::exchange(output_, &text);
  const Result<Flow> flow = RunLoop(*loop.recursive, std::move(items), loop.depth0 + 1, loop.scope);
  output_ = outer;
  if (!flow.has_value()) return flow.error();
  return autoescape_ ? Value::Markup(std::move(text)) : Value::String(std::move(text));
}

}  // namespace exeunt::text::jinja
