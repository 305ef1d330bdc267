// ExpressionParser, second part: what may follow an expression (subscripts, calls, filters, tests), and
// targets of assignments.
#include "text/jinja/expression_nodes.h"
#include "text/jinja/expression_parser.h"

namespace exeunt::text::jinja {
namespace {

constexpr size_t kMaxArguments = 65;  // with the called expression

}  // namespace

Result<ExprPtr> ExpressionParser::ParsePostfix(ExprPtr node) {
  while (tokens_.IsOp(".") || tokens_.IsOp("[") || tokens_.IsOp("(")) {
    if (!tokens_.IsOp("(")) {
      ASSIGN_OR_RETURN(node, ParseSubscript(std::move(node)));
      continue;
    }
    ASSIGN_OR_RETURN(node, Make(ExprKind::kCall, tokens_.line(), Args(std::move(node))));
    RETURN_IF_ERROR(ParseArguments(node.get()));
  }
  return node;
}

// Parses filters, tests and calls after an expression.
Result<ExprPtr> ExpressionParser::ParseAfter(ExprPtr node) {
  while (true) {
    if (tokens_.IsOp("|")) {
      ASSIGN_OR_RETURN(node, ParseFilters(std::move(node)));
    } else if (tokens_.IsName("is")) {
      ASSIGN_OR_RETURN(node, ParseTest(std::move(node)));
    } else if (tokens_.IsOp("(")) {
      ASSIGN_OR_RETURN(node, Make(ExprKind::kCall, tokens_.line(), Args(std::move(node))));
      RETURN_IF_ERROR(ParseArguments(node.get()));
    } else {
      return node;
    }
  }
}

Result<ExprPtr> ExpressionParser::ParseFilters(ExprPtr node) {
  while (tokens_.SkipOp("|")) {
    ASSIGN_OR_RETURN(node, ParseFilter(std::move(node)));
  }
  return node;
}

Result<ExprPtr> ExpressionParser::ParseFilterChain() {
  ASSIGN_OR_RETURN(ExprPtr node, ParseFilter(nullptr));
  return ParseFilters(std::move(node));
}

Result<ExprPtr> ExpressionParser::ParseFilter(ExprPtr node) {
  const int line = tokens_.line();
  ASSIGN_OR_RETURN(std::string name, tokens_.ExpectName());
  ASSIGN_OR_RETURN(node, Make(ExprKind::kFilter, line, Args(std::move(node)), std::move(name)));
  if (tokens_.IsOp("(")) RETURN_IF_ERROR(ParseArguments(node.get()));
  return node;
}

Result<ExprPtr> ExpressionParser::ParseTest(ExprPtr node) {
  const int line = tokens_.Take().line;
  const bool negated = tokens_.SkipName("not");
  ASSIGN_OR_RETURN(std::string name, tokens_.ExpectName());
  ASSIGN_OR_RETURN(node, Make(ExprKind::kTest, line, Args(std::move(node)), std::move(name)));
  const TokenKind next = tokens_.Peek().kind;
  const bool value = next == TokenKind::kName || next == TokenKind::kString || next == TokenKind::kInt ||
                     next == TokenKind::kFloat || tokens_.IsOp("[") || tokens_.IsOp("{");
  if (tokens_.IsOp("(")) {
    RETURN_IF_ERROR(ParseArguments(node.get()));
  } else if (value && !tokens_.IsAnyName({"else", "or", "and", "if", "in", "not"})) {
    if (tokens_.IsName("is")) return InvalidArgument("line {}: 'is' after a test", tokens_.line());
    const Nesting nesting(&nesting_);
    if (nesting_ > kMaxNesting) return InvalidArgument("line {}: too many tests", tokens_.line());
    ASSIGN_OR_RETURN(ExprPtr arg, ParsePrimary());
    ASSIGN_OR_RETURN(arg, ParsePostfix(std::move(arg)));
    node->args.push_back(std::move(arg));
    RETURN_IF_ERROR(CheckDepth(node.get()));
  }
  if (!negated) return node;
  return Make(ExprKind::kNot, line, Args(std::move(node)));
}

Result<ExprPtr> ExpressionParser::ParseSubscript(ExprPtr node) {
  const Token open = tokens_.Take();
  if (open.text == ".") {
    if (tokens_.Peek().kind == TokenKind::kInt) {
      const Token index = tokens_.Take();
      return Make(ExprKind::kGetItem, open.line,
                  Args(std::move(node), Constant(index.line, Value::Int(index.integer))));
    }
    ASSIGN_OR_RETURN(std::string name, tokens_.ExpectName());
    return Make(ExprKind::kGetAttr, open.line, Args(std::move(node)), std::move(name));
  }
  ASSIGN_OR_RETURN(ExprPtr index, ParseIndex());
  RETURN_IF_ERROR(tokens_.ExpectOp("]"));
  return Make(ExprKind::kGetItem, open.line, Args(std::move(node), std::move(index)));
}

Result<ExprPtr> ExpressionParser::ParseIndex() {
  const int line = tokens_.line();
  std::vector<ExprPtr> parts;
  bool slice = false;
  for (int i = 0; i < 3; ++i) {
    ExprPtr part;
    if (!tokens_.IsOp(":") && !tokens_.IsOp("]")) {
      ASSIGN_OR_RETURN(part, ParseExpression());
    }
    parts.push_back(std::move(part));
    if (!tokens_.IsOp(":")) break;
    if (i == 2) return tokens_.Unexpected("']'");
    slice = true;
    tokens_.Take();
  }
  if (!slice && parts[0] == nullptr) return tokens_.Unexpected("an index");
  if (!slice) return std::move(parts[0]);
  parts.resize(3);
  return Make(ExprKind::kSlice, line, std::move(parts));
}

Status ExpressionParser::ParseArguments(Expr* call) {
  RETURN_IF_ERROR(tokens_.ExpectOp("("));
  bool first = true;
  while (!tokens_.IsOp(")")) {
    if (!first) RETURN_IF_ERROR(tokens_.ExpectOp(","));
    if (tokens_.IsOp(")")) break;
    first = false;
    RETURN_IF_ERROR(ParseArgument(call));
  }
  tokens_.Take();
  if (call->args.size() + call->kwargs.size() > kMaxArguments) {
    return InvalidArgument("line {}: a call with more than {} arguments", call->line, kMaxArguments);
  }
  return CheckDepth(call);
}

// Parses one of a, name=a, *a and **a.
Status ExpressionParser::ParseArgument(Expr* call) {
  if (tokens_.IsOp("**")) {
    if (call->double_star != nullptr) return tokens_.Unexpected("')'");
    tokens_.Take();
    ASSIGN_OR_RETURN(call->double_star, ParseExpression());
    return OkStatus();
  }
  if (call->double_star != nullptr) return tokens_.Unexpected("')'");
  if (tokens_.IsOp("*")) {
    if (call->star != nullptr) return tokens_.Unexpected("an argument");
    tokens_.Take();
    ASSIGN_OR_RETURN(call->star, ParseExpression());
    return OkStatus();
  }
  if (tokens_.Peek().kind == TokenKind::kName && tokens_.IsOp("=", 1)) {
    std::string name = tokens_.Take().text;
    tokens_.Take();
    ASSIGN_OR_RETURN(ExprPtr value, ParseExpression());
    call->kwargs.emplace_back(std::move(name), std::move(value));
    return OkStatus();
  }
  if (!call->kwargs.empty() || call->star != nullptr) return tokens_.Unexpected("a keyword argument");
  ASSIGN_OR_RETURN(ExprPtr arg, ParseExpression());
  call->args.push_back(std::move(arg));
  return OkStatus();
}

Result<ExprPtr> ExpressionParser::ParseTargetPart(bool with_attributes) {
  const Nesting nesting(&nesting_);
  if (nesting_ > kMaxNesting) return InvalidArgument("line {}: brackets nested too deep", tokens_.line());
  const int line = tokens_.line();
  if (tokens_.SkipOp("(")) {
    ASSIGN_OR_RETURN(ExprPtr inner, ParseTarget(with_attributes));
    RETURN_IF_ERROR(tokens_.ExpectOp(")"));
    return inner;
  }
  if (tokens_.IsAnyName({"true", "false", "none", "True", "False", "None"}))
    return tokens_.Unexpected("a name");
  ASSIGN_OR_RETURN(std::string name, tokens_.ExpectName());
  ASSIGN_OR_RETURN(ExprPtr node, Make(ExprKind::kName, line, {}, std::move(name)));
  if (!with_attributes || !tokens_.SkipOp(".")) return node;
  ASSIGN_OR_RETURN(std::string attribute, tokens_.ExpectName());
  return Make(ExprKind::kGetAttr, line, Args(std::move(node)), std::move(attribute));
}

Result<ExprPtr> ExpressionParser::ParseTarget(bool with_attributes) {
  const int line = tokens_.line();
  ASSIGN_OR_RETURN(ExprPtr first, ParseTargetPart(with_attributes));
  if (!tokens_.IsOp(",")) return first;
  std::vector<ExprPtr> items = Args(std::move(first));
  while (tokens_.SkipOp(",")) {
    if (tokens_.Peek().kind != TokenKind::kName && !tokens_.IsOp("(")) break;
    if (tokens_.IsName("in")) break;
    ASSIGN_OR_RETURN(ExprPtr item, ParseTargetPart(with_attributes));
    items.push_back(std::move(item));
  }
  return Make(ExprKind::kTuple, line, std::move(items));
}

}  // namespace exeunt::text::jinja
