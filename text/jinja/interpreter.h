// Interpreter renders a parsed template. Each rendering needs its own. Not thread-safe. The tree must outlive
// it. Steps, output and recursion are bounded, so that a hostile template ends in an error.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace exeunt::text::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

// Returns the arguments in the order of `names`, and undefined for missing ones. An argument that is
// superfluous or given twice, or a missing one of the first `required`, is an error that names it.
Result<std::vector<Value>> Bind(const Arguments& arguments, std::initializer_list<std::string_view> names,
                                size_t required = 0);

// The names of one scope, on top of those around it. It lives as long as its block runs.
struct Frame {
  Frame* parent = nullptr;
  std::vector<std::pair<std::string, Value>> names = {};
  void Set(const std::string& name, Value value);
};

class Interpreter {
 public:
  explicit Interpreter(int64_t max_steps, size_t max_output_bytes)
      : budget_(max_steps), output_left_(max_output_bytes) {}

  // `variables` are the initial meanings of the template's names.
  Result<std::string> Render(const Block& block, std::vector<std::pair<std::string, Value>> variables);

  // For filters and tests that apply others by name.
  Result<Value> ApplyFilter(std::string_view name, const Value& value, const Arguments& arguments);
  Result<bool> ApplyTest(std::string_view name, const Value& value, const Arguments& arguments);
  // Returns value[key], else value.key, else undefined.
  Result<Value> GetItem(const Value& value, const Value& key);
  Result<Value> GetAttribute(const Value& value, const std::string& name);
  Result<Value> Call(const Value& callee, const Arguments& arguments);
  Budget* budget() { return &budget_; }
  bool autoescape() const { return autoescape_; }

 private:
  enum class Flow { kNext, kBreak, kContinue };

  Result<Flow> Run(const Block& block, Frame* frame);
  Result<Flow> RunOne(const Stmt& stmt, Frame* frame);
  Result<Flow> RunIf(const Stmt& stmt, Frame* frame);
  Result<Flow> RunFor(const Stmt& stmt, Frame* frame);
  Status PrintValue(const Value& value);
  Result<Flow> RunSetBlock(const Stmt& stmt, Frame* frame);
  Result<Flow> RunFilterBlock(const Stmt& stmt, Frame* frame);
  Result<Flow> RunCallBlock(const Stmt& stmt, Frame* frame);
  Result<Flow> RunAutoescape(const Stmt& stmt, Frame* frame);
  Result<Flow> RunLoop(const Stmt& stmt, std::vector<Value> items, int depth0, Frame* frame);
  Result<std::vector<Value>> SelectItems(const Stmt& stmt, std::vector<Value> items, Frame* frame);
  // Returns the text that `block` writes in its own scope. It is Markup if text is escaped.
  Result<Value> CaptureValue(const Block& block, Frame* frame);
  // Applies the filters of `chain` to `value`, the innermost one first.
  Result<Value> ApplyChain(const Expr* chain, Value value, Frame* frame);
  Result<std::string> Capture(const Block& block, Frame* frame);
  Status Assign(const Expr& target, Value value, Frame* frame);
  Status Print(std::string_view text);

  Result<Value> Evaluate(const Expr& expr, Frame* frame);
  Result<Value> EvaluateInner(const Expr& expr, Frame* frame);
  Result<std::vector<Value>> EvaluateAll(const std::vector<ExprPtr>& exprs, Frame* frame);
  Result<Value> EvaluateDict(const Expr& expr, Frame* frame);
  Result<Value> EvaluateGetItem(const Expr& expr, Frame* frame);
  Result<Value> EvaluateCompare(const Expr& expr, Frame* frame);
  Result<Value> EvaluateConcat(const Expr& expr, Frame* frame);
  Result<Value> EvaluateCond(const Expr& expr, Frame* frame);
  Result<Arguments> EvaluateArguments(const Expr& expr, Frame* frame);
  Status EvaluateStars(const Expr& expr, Frame* frame, Arguments* arguments);
  Result<Value> Lookup(const std::string& name, const Frame* frame);
  Result<Value> CallMacro(const BoundMacro& bound, const Arguments& arguments);
  Status BindMacro(const MacroDefinition& macro, const Arguments& arguments, Frame* frame);
  Status BindExtras(const MacroDefinition& macro, const Arguments& extras, Frame* frame);
  Status BindDefaults(const MacroDefinition& macro, Frame* frame);
  Result<Value> CallLoop(const LoopState& loop, const Arguments& arguments);
  Result<Value> CallBlock(const Stmt& block);
  Result<Value> BlockOf(const std::string& name);

  Budget budget_;
  size_t output_left_;
  std::string* output_ = nullptr;
  const Block* root_ = nullptr;
  Frame* top_ = nullptr;
  int depth_ = 0;
  bool autoescape_ = false;
};

bool IsFilter(std::string_view name);
bool IsTest(std::string_view name);
// The built-in functions (functions.cc), the methods of values (methods.cc), and the attributes of loops and
// macros (loops.cc, macros.cc).
Result<Value> CallFunction(Function function, const Arguments& arguments, Budget* budget);
std::optional<Function> FindFunction(std::string_view name);
bool HasMethod(const Value& value, std::string_view name);
// Returns whether Jinja's sandbox forbids this attribute of Python. These are __names__ and attributes that
// change a list or a dict.
bool IsForbidden(const Value& value, std::string_view name);
Result<Value> CallMethod(Interpreter& interpreter, const Value& value, std::string_view name,
                         const Arguments& arguments);
Value LoopAttribute(const Value& loop, const std::string& name);
Result<Value> MacroAttribute(const MacroDefinition& macro, const std::string& name);

}  // namespace exeunt::text::jinja
