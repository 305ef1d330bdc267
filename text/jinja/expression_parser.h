// ExpressionParser parses the expressions inside {{ }} and {% %}, with Jinja's precedences.
#pragma once

#include <utility>

#include "base/result.h"
#include "text/jinja/ast.h"
#include "text/jinja/token_stream.h"

namespace exeunt::text::jinja {

struct MacroNames {
  bool caller = false;
  bool varargs = false;
  bool kwargs = false;
};

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream* tokens) : tokens_(*tokens) {}

  // Parses one expression. With `ternary` this may be `a if b else c`.
  Result<ExprPtr> ParseExpression(bool ternary = true);
  // Parses one expression, or several with commas between them, which are a tuple.
  Result<ExprPtr> ParseTuple(bool ternary = true);
  // Parses a target of an assignment. It is a name, a tuple of targets, or (if allowed) namespace.attribute.
  Result<ExprPtr> ParseTarget(bool with_attributes);
  // Parses "| name(args)" any number of times. `node` may be null.
  Result<ExprPtr> ParseFilters(ExprPtr node);
  // Does the same without a "|" before the first filter.
  Result<ExprPtr> ParseFilterChain();
  // Returns the names that were read since the last call and that a macro gets without declaring them.
  MacroNames TakeMacroNames() { return std::exchange(macro_names_, {}); }
  void AddMacroNames(const MacroNames& names);

 private:
  Result<ExprPtr> ParseOr();
  Result<ExprPtr> ParseAnd();
  Result<ExprPtr> ParseNot();
  Result<ExprPtr> ParseCompare();
  Result<ExprPtr> ParseSum();
  Result<ExprPtr> ParseConcat();
  Result<ExprPtr> ParseProduct();
  Result<ExprPtr> ParsePower();
  Result<ExprPtr> ParseUnary(bool with_filters);
  Result<ExprPtr> ParsePrimary();
  Result<ExprPtr> ParseParentheses();
  Result<ExprPtr> ParseList();
  Result<ExprPtr> ParseDict();
  Result<ExprPtr> ParsePostfix(ExprPtr node);
  Result<ExprPtr> ParseAfter(ExprPtr node);
  Result<ExprPtr> ParseSubscript(ExprPtr node);
  Result<ExprPtr> ParseIndex();
  Result<ExprPtr> ParseTest(ExprPtr node);
  Status ParseArguments(Expr* call);
  Result<ExprPtr> ParseTargetPart(bool with_attributes);
  // Makes a node over `args`, or an error if it is nested too deep.
  Result<ExprPtr> Make(ExprKind kind, int line, std::vector<ExprPtr> args, std::string name = "");
  Status CheckDepth(Expr* node);

  Result<ExprPtr> ParseFilter(ExprPtr node);
  Status ParseArgument(Expr* call);

  TokenStream& tokens_;
  int nesting_ = 0;
  MacroNames macro_names_;
};

}  // namespace exeunt::text::jinja
