#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <array>

#include "text/jinja/expression_nodes.h"

namespace exeunt::text::jinja {
namespace {

constexpr int kMaxDepth = 128;  // depth of the tree

constexpr std::array<std::string_view, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};

}  // namespace

Status ExpressionParser::CheckDepth(Expr* node) {
  for (const ExprPtr& arg : node->args) {
    if (arg != nullptr) node->depth = std::max(node->depth, arg->depth + 1);
  }
  for (const auto& [name, value] : node->kwargs) node->depth = std::max(node->depth, value->depth + 1);
  for (const ExprPtr* all : {&node->star, &node->double_star}) {
    if (*all != nullptr) node->depth = std::max(node->depth, (*all)->depth + 1);
  }
  if (node->depth > kMaxDepth) {
    return InvalidArgument("line {}: an expression nested more than {} deep", node->line, kMaxDepth);
  }
  return OkStatus();
}

Result<ExprPtr> ExpressionParser::Make(ExprKind kind, int line, std::vector<ExprPtr> args, std::string name) {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = line;
  node->args = std::move(args);
  node->name = std::move(name);
  RETURN_IF_ERROR(CheckDepth(node.get()));
  return node;
}

Result<ExprPtr> ExpressionParser::ParseExpression(bool ternary) {
  const Nesting nesting(&nesting_);
  if (nesting_ > kMaxNesting) {
    return InvalidArgument("line {}: brackets nested more than {} deep", tokens_.line(), kMaxNesting);
  }
  ASSIGN_OR_RETURN(ExprPtr node, ParseOr());
  while (ternary && tokens_.IsName("if")) {
    const int line = tokens_.Take().line;
    ASSIGN_OR_RETURN(ExprPtr condition, ParseOr());
    ExprPtr otherwise;
    if (tokens_.SkipName("else")) {
      ASSIGN_OR_RETURN(otherwise, ParseExpression());
    }
    ASSIGN_OR_RETURN(
        node, Make(ExprKind::kCond, line, Args(std::move(node), std::move(condition), std::move(otherwise))));
  }
  return node;
}

Result<ExprPtr> ExpressionParser::ParseTuple(bool ternary) {
  const int line = tokens_.line();
  ASSIGN_OR_RETURN(ExprPtr first, ParseExpression(ternary));
  if (!tokens_.IsOp(",")) return first;
  std::vector<ExprPtr> items = Args(std::move(first));
  while (tokens_.SkipOp(",")) {
    const TokenKind next = tokens_.Peek().kind;
    if (next == TokenKind::kOutputEnd || next == TokenKind::kBlockEnd || tokens_.IsOp(")")) break;
    ASSIGN_OR_RETURN(ExprPtr item, ParseExpression(ternary));
    items.push_back(std::move(item));
  }
  return Make(ExprKind::kTuple, line, std::move(items));
}

Result<ExprPtr> ExpressionParser::ParseOr() {
  ASSIGN_OR_RETURN(ExprPtr left, ParseAnd());
  while (tokens_.IsName("or")) {
    const int line = tokens_.Take().line;
    ASSIGN_OR_RETURN(ExprPtr right, ParseAnd());
    ASSIGN_OR_RETURN(left, Make(ExprKind::kOr, line, Args(std::move(left), std::move(right))));
  }
  return left;
}

Result<ExprPtr> ExpressionParser::ParseAnd() {
  ASSIGN_OR_RETURN(ExprPtr left, ParseNot());
  while (tokens_.IsName("and")) {
    const int line = tokens_.Take().line;
    ASSIGN_OR_RETURN(ExprPtr right, ParseNot());
    ASSIGN_OR_RETURN(left, Make(ExprKind::kAnd, line, Args(std::move(left), std::move(right))));
  }
  return left;
}

Result<ExprPtr> ExpressionParser::ParseNot() {
  if (!tokens_.IsName("not")) return ParseCompare();
  const Nesting nesting(&nesting_);
  if (nesting_ > kMaxNesting) return InvalidArgument("line {}: too many 'not'", tokens_.line());
  const int line = tokens_.Take().line;
  ASSIGN_OR_RETURN(ExprPtr node, ParseNot());
  return Make(ExprKind::kNot, line, Args(std::move(node)));
}

Result<ExprPtr> ExpressionParser::ParseCompare() {
  const int line = tokens_.line();
  ASSIGN_OR_RETURN(ExprPtr first, ParseSum());
  std::vector<ExprPtr> args = Args(std::move(first));
  std::vector<std::string> names;
  while (true) {
    const bool comparison =
        tokens_.Peek().kind == TokenKind::kOp && std::ranges::count(kComparisons, tokens_.Peek().text) > 0;
    if (comparison || tokens_.IsName("in")) {
      names.push_back(tokens_.Take().text);
    } else if (tokens_.IsName("not") && tokens_.IsName("in", 1)) {
      tokens_.Take();
      tokens_.Take();
      names.emplace_back("not in");
    } else {
      break;
    }
    ASSIGN_OR_RETURN(ExprPtr arg, ParseSum());
    args.push_back(std::move(arg));
  }
  if (names.empty()) return std::move(args[0]);
  ASSIGN_OR_RETURN(ExprPtr node, Make(ExprKind::kCompare, line, std::move(args)));
  node->names = std::move(names);
  return node;
}

Result<ExprPtr> ExpressionParser::ParseSum() {
  ASSIGN_OR_RETURN(ExprPtr left, ParseConcat());
  while (tokens_.IsOp("+") || tokens_.IsOp("-")) {
    const Token op = tokens_.Take();
    ASSIGN_OR_RETURN(ExprPtr right, ParseConcat());
    ASSIGN_OR_RETURN(left,
                     Make(ExprKind::kBinary, op.line, Args(std::move(left), std::move(right)), op.text));
  }
  return left;
}

Result<ExprPtr> ExpressionParser::ParseConcat() {
  const int line = tokens_.line();
  ASSIGN_OR_RETURN(ExprPtr first, ParseProduct());
  if (!tokens_.IsOp("~")) return first;
  std::vector<ExprPtr> args = Args(std::move(first));
  while (tokens_.SkipOp("~")) {
    ASSIGN_OR_RETURN(ExprPtr arg, ParseProduct());
    args.push_back(std::move(arg));
  }
  return Make(ExprKind::kConcat, line, std::move(args));
}

Result<ExprPtr> ExpressionParser::ParseProduct() {
  ASSIGN_OR_RETURN(ExprPtr left, ParsePower());
  while (tokens_.IsOp("*") || tokens_.IsOp("/") || tokens_.IsOp("//") || tokens_.IsOp("%")) {
    const Token op = tokens_.Take();
    ASSIGN_OR_RETURN(ExprPtr right, ParsePower());
    ASSIGN_OR_RETURN(left,
                     Make(ExprKind::kBinary, op.line, Args(std::move(left), std::move(right)), op.text));
  }
  return left;
}

Result<ExprPtr> ExpressionParser::ParsePower() {
  ASSIGN_OR_RETURN(ExprPtr left, ParseUnary(true));
  while (tokens_.IsOp("**")) {
    const Token op = tokens_.Take();
    ASSIGN_OR_RETURN(ExprPtr right, ParseUnary(true));
    ASSIGN_OR_RETURN(left,
                     Make(ExprKind::kBinary, op.line, Args(std::move(left), std::move(right)), op.text));
  }
  return left;
}

Result<ExprPtr> ExpressionParser::ParseUnary(bool with_filters) {
  const Nesting nesting(&nesting_);
  if (nesting_ > kMaxNesting) return InvalidArgument("line {}: too many signs", tokens_.line());
  ExprPtr node;
  if (tokens_.IsOp("-") || tokens_.IsOp("+")) {
    const Token op = tokens_.Take();
    ASSIGN_OR_RETURN(node, ParseUnary(false));
    const ExprKind kind = op.text == "-" ? ExprKind::kNegative : ExprKind::kPositive;
    ASSIGN_OR_RETURN(node, Make(kind, op.line, Args(std::move(node))));
  } else {
    ASSIGN_OR_RETURN(node, ParsePrimary());
  }
  ASSIGN_OR_RETURN(node, ParsePostfix(std::move(node)));
  return with_filters ? ParseAfter(std::move(node)) : std::move(node);
}

Result<ExprPtr> ExpressionParser::ParsePrimary() {
  if (tokens_.IsOp("(")) return ParseParentheses();
  if (tokens_.IsOp("[")) return ParseList();
  if (tokens_.IsOp("{")) return ParseDict();
  const Token& peeked = tokens_.Peek();
  if (peeked.kind != TokenKind::kName && peeked.kind != TokenKind::kString &&
      peeked.kind != TokenKind::kInt && peeked.kind != TokenKind::kFloat) {
    return tokens_.Unexpected("an expression");
  }
  Token token = tokens_.Take();
  if (token.kind == TokenKind::kInt) return Constant(token.line, Value::Int(token.integer));
  if (token.kind == TokenKind::kFloat) return Constant(token.line, Value::Float(token.number));
  if (token.kind == TokenKind::kString) {
    while (tokens_.Peek().kind == TokenKind::kString) token.text += tokens_.Take().text;
    return Constant(token.line, Value::String(std::move(token.text)));
  }
  if (token.text == "true" || token.text == "True") return Constant(token.line, Value::Bool(true));
  if (token.text == "false" || token.text == "False") return Constant(token.line, Value::Bool(false));
  if (token.text == "none" || token.text == "None") return Constant(token.line, Value::None());
  AddMacroNames({token.text == "caller", token.text == "varargs", token.text == "kwargs"});
  return Make(ExprKind::kName, token.line, {}, std::move(token.text));
}

void ExpressionParser::AddMacroNames(const MacroNames& names) {
  macro_names_.caller |= names.caller;
  macro_names_.varargs |= names.varargs;
  macro_names_.kwargs |= names.kwargs;
}

Result<ExprPtr> ExpressionParser::ParseParentheses() {
  const int line = tokens_.Take().line;
  ExprPtr node;
  if (tokens_.IsOp(")")) {
    ASSIGN_OR_RETURN(node, Make(ExprKind::kTuple, line, {}));
  } else {
    ASSIGN_OR_RETURN(node, ParseTuple());
  }
  RETURN_IF_ERROR(tokens_.ExpectOp(")"));
  return node;
}

Result<ExprPtr> ExpressionParser::ParseList() {
  const int line = tokens_.Take().line;
  std::vector<ExprPtr> items;
  while (!tokens_.IsOp("]")) {
    if (!items.empty()) RETURN_IF_ERROR(tokens_.ExpectOp(","));
    if (tokens_.IsOp("]")) break;
    ASSIGN_OR_RETURN(ExprPtr item, ParseExpression());
    items.push_back(std::move(item));
  }
  tokens_.Take();
  return Make(ExprKind::kList, line, std::move(items));
}

Result<ExprPtr> ExpressionParser::ParseDict() {
  const int line = tokens_.Take().line;
  std::vector<ExprPtr> items;
  while (!tokens_.IsOp("}")) {
    if (!items.empty()) RETURN_IF_ERROR(tokens_.ExpectOp(","));
    if (tokens_.IsOp("}")) break;
    ASSIGN_OR_RETURN(ExprPtr key, ParseExpression());
    RETURN_IF_ERROR(tokens_.ExpectOp(":"));
    ASSIGN_OR_RETURN(ExprPtr value, ParseExpression());
    items.push_back(std::move(key));
    items.push_back(std::move(value));
  }
  tokens_.Take();
  return Make(ExprKind::kDict, line, std::move(items));
}

}  // namespace exeunt::text::jinja
