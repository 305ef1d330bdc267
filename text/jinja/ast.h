// The tree of a template. It is immutable once parsed. The parser bounds its nesting, so that walks may
// recurse.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace exeunt::text::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class ExprKind {
  kConst,    // constant
  kName,     // name
  kList,     // args
  kTuple,    // args
  kDict,     // args: key, value, key, value, ...
  kGetAttr,  // args[0].name
  kGetItem,  // args[0][args[1]]
  kSlice,    // args: begin, end, step; each may be null
  kCall,     // args[0](args[1], ..., **kwargs)
  // args[0] | name(args[1], ..., **kwargs). args[0] is null in a block of set.
  kFilter,
  kTest,      // args[0] is name(args[1], ..., **kwargs)
  kNot,       // args[0]
  kNegative,  // args[0]
  kPositive,  // args[0]
  kAnd,       // args[0] and args[1]
  kOr,        // args[0] or args[1]
  kBinary,    // args[0] name args[1]: + - * / // % **
  kConcat,    // args, joined by ~
  kCompare,   // args[0] names[0] args[1] names[1] args[2] ...
  kCond,      // args[0] if args[1] else args[2], which may be null
};

struct Expr {
  ExprKind kind = ExprKind::kConst;
  int line = 0;
  int depth = 1;  // nesting
  Value constant;
  std::string name;
  std::vector<ExprPtr> args;
  std::vector<std::pair<std::string, ExprPtr>> kwargs;
  ExprPtr star;         // f(*star); may be null
  ExprPtr double_star;  // f(**double_star); may be null
  std::vector<std::string> names;
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Block = std::vector<StmtPtr>;

enum class StmtKind {
  kText,        // text
  kOutput,      // {{ expr }}
  kIf,          // branches, otherwise
  kFor,         // for target in expr if condition (recursive): body, otherwise
  kSet,         // set target = expr
  kSetBlock,    // set target (| expr): body
  kMacro,       // macro
  kCall,        // call(macro's parameters) expr: macro's body
  kWith,        // assignments, body
  kFilter,      // filter expr: body
  kNamedBlock,  // block text (scoped): body
  kAutoescape,  // autoescape expr: body
  kGeneration,  // body
  kBreak,
  kContinue,
};

struct Branch {
  ExprPtr condition;
  Block body;
};

struct MacroDefinition {
  std::string name;
  int line = 0;
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // for the last parameters
  bool uses_caller = false;       // whether the body names them
  bool uses_varargs = false;
  bool uses_kwargs = false;
  Block body;
};

struct Stmt {
  StmtKind kind = StmtKind::kText;
  int line = 0;
  std::string text;
  ExprPtr target;  // a name, a tuple of targets, or namespace.attribute
  ExprPtr expr;
  ExprPtr condition;
  std::vector<Branch> branches;
  std::vector<std::pair<ExprPtr, ExprPtr>> assignments;
  std::unique_ptr<MacroDefinition> macro;
  bool recursive = false;
  bool scoped = false;
  Block body;
  Block otherwise;
};

}  // namespace exeunt::text::jinja
