#include "text/jinja/parser.h"

#include <algorithm>
#include <utility>

#include "text/jinja/expression_parser.h"
#include "text/jinja/name_check.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

constexpr size_t kMaxSourceBytes = size_t{1} << 20;
constexpr size_t kMaxParameters = 64;
constexpr int kMaxBlocks = 48;  // nested statements

using TagNames = std::vector<std::string_view>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(&tokens_) {}
  // Parses statements up to one whose name is in `ends` (which is not taken), or to the end of the template.
  Result<Block> ParseBlock(const TagNames& ends);

 private:
  Result<StmtPtr> ParseStatement();
  Status ParseNamed(const std::string& name, Stmt* stmt);
  Status ParseIf(Stmt* stmt);
  Status ParseFor(Stmt* stmt);
  Status ParseSet(Stmt* stmt);
  Status ParseMacro(Stmt* stmt);
  Status ParseCall(Stmt* stmt);
  Status ParseParameters(MacroDefinition* macro);
  Status ParseMacroBody(std::string_view end, MacroDefinition* macro);
  Status ParseWith(Stmt* stmt);
  Status ParseNamedBlock(Stmt* stmt);
  Status ParseJump(const std::string& name, Stmt* stmt);
  Status EndTag() { return tokens_.Expect(TokenKind::kBlockEnd, "'%}'"); }
  // Parses the rest of a tag, a block, and the name of the tag that ends it.
  Result<Block> ParseBody(const TagNames& ends);
  // Like ParseBody up to `end`, and also takes that tag.
  Result<Block> ParseWhole(std::string_view end);
  // Like ParseWhole, but break and continue do not reach the loop around it.
  Result<Block> ParseOutsideLoops(std::string_view end);

  TokenStream tokens_;
  ExpressionParser expressions_;
  std::vector<std::string> blocks_;  // names of open blocks
  int depth_ = 0;
  int loops_ = 0;  // loops that break and continue may be in
};

// Returns whether a target assigns to `name`.
bool HasName(std::string_view name, const Expr& target) {
  if (target.kind == ExprKind::kName) return target.name == name;
  return std::ranges::any_of(target.args, [&](const ExprPtr& part) { return HasName(name, *part); });
}

Result<Block> Parser::ParseBlock(const TagNames& ends) {
  if (++depth_ > kMaxBlocks) {
    return InvalidArgument("line {}: statements nested more than {} deep", tokens_.line(), kMaxBlocks);
  }
  Block block;
  while (tokens_.Peek().kind != TokenKind::kEnd) {
    Token token = tokens_.Take();
    auto stmt = std::make_unique<Stmt>();
    stmt->line = token.line;
    if (token.kind == TokenKind::kText) {
      stmt->text = std::move(token.text);
    } else if (token.kind == TokenKind::kOutputBegin) {
      stmt->kind = StmtKind::kOutput;
      ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseTuple());
      RETURN_IF_ERROR(tokens_.Expect(TokenKind::kOutputEnd, "'}}'"));
    } else {
      if (tokens_.IsAnyName(ends)) {
        --depth_;
        return block;
      }
      ASSIGN_OR_RETURN(stmt, ParseStatement());
      RETURN_IF_ERROR(EndTag());
    }
    block.push_back(std::move(stmt));
  }
  if (!ends.empty()) {
    return InvalidArgument("line {}: the template ends where '{}' is missing", tokens_.line(), ends.back());
  }
  --depth_;
  return block;
}

Result<Block> Parser::ParseBody(const TagNames& ends) {
  RETURN_IF_ERROR(EndTag());
  return ParseBlock(ends);
}

Result<Block> Parser::ParseWhole(std::string_view end) {
  ASSIGN_OR_RETURN(Block body, ParseBody({end}));
  tokens_.Take();
  return body;
}

Result<Block> Parser::ParseOutsideLoops(std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  ASSIGN_OR_RETURN(Block body, ParseWhole(end));
  loops_ = loops;
  return body;
}

Result<StmtPtr> Parser::ParseStatement() {
  auto stmt = std::make_unique<Stmt>();
  stmt->line = tokens_.line();
  ASSIGN_OR_RETURN(const std::string name, tokens_.ExpectName());
  RETURN_IF_ERROR(ParseNamed(name, stmt.get()));
  return stmt;
}

Status Parser::ParseNamed(const std::string& name, Stmt* stmt) {
  if (name == "if") return ParseIf(stmt);
  if (name == "for") return ParseFor(stmt);
  if (name == "set") return ParseSet(stmt);
  if (name == "macro") return ParseMacro(stmt);
  if (name == "call") return ParseCall(stmt);
  if (name == "with") return ParseWith(stmt);
  if (name == "block") return ParseNamedBlock(stmt);
  if (name == "break" || name == "continue") return ParseJump(name, stmt);
  if (name == "filter") {
    stmt->kind = StmtKind::kFilter;
    ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseFilterChain());
    ASSIGN_OR_RETURN(stmt->body, ParseOutsideLoops("endfilter"));
    return OkStatus();
  }
  if (name == "autoescape") {
    stmt->kind = StmtKind::kAutoescape;
    ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseExpression());
    ASSIGN_OR_RETURN(stmt->body, ParseWhole("endautoescape"));
    return OkStatus();
  }
  if (name == "generation") {  // transformers' tag that marks the assistant's part for training
    stmt->kind = StmtKind::kGeneration;
    ASSIGN_OR_RETURN(stmt->body, ParseOutsideLoops("endgeneration"));
    return OkStatus();
  }
  if (name == "include" || name == "import" || name == "from" || name == "extends") {
    return Unimplemented("line {}: '{{% {} %}}' is not supported: a chat template is one file", stmt->line,
                         name);
  }
  return Unimplemented("line {}: '{{% {} %}}' is not supported", stmt->line, name.substr(0, 100));
}

Status Parser::ParseJump(const std::string& name, Stmt* stmt) {
  stmt->kind = name == "break" ? StmtKind::kBreak : StmtKind::kContinue;
  if (loops_ > 0) return OkStatus();
  return InvalidArgument("line {}: '{}' outside a loop", stmt->line, name);
}

Status Parser::ParseIf(Stmt* stmt) {
  stmt->kind = StmtKind::kIf;
  while (true) {
    Branch branch;
    ASSIGN_OR_RETURN(branch.condition, expressions_.ParseTuple(false));
    ASSIGN_OR_RETURN(branch.body, ParseBody({"elif", "else", "endif"}));
    stmt->branches.push_back(std::move(branch));
    const std::string next = tokens_.Take().text;
    if (next == "elif") continue;
    if (next == "else") {
      ASSIGN_OR_RETURN(stmt->otherwise, ParseWhole("endif"));
    }
    return OkStatus();
  }
}

Status Parser::ParseFor(Stmt* stmt) {
  stmt->kind = StmtKind::kFor;
  ASSIGN_OR_RETURN(stmt->target, expressions_.ParseTarget(false));
  if (HasName("loop", *stmt->target))
    return InvalidArgument("line {}: 'loop' as the target of a loop", stmt->line);
  if (!tokens_.SkipName("in")) return tokens_.Unexpected("'in'");
  ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseTuple(false));
  if (tokens_.SkipName("if")) {
    ASSIGN_OR_RETURN(stmt->condition, expressions_.ParseExpression());
  }
  stmt->recursive = tokens_.SkipName("recursive");
  ++loops_;
  ASSIGN_OR_RETURN(stmt->body, ParseBody({"else", "endfor"}));
  --loops_;
  if (tokens_.Take().text == "else") {
    ASSIGN_OR_RETURN(stmt->otherwise, ParseWhole("endfor"));
  }
  return OkStatus();
}

Status Parser::ParseSet(Stmt* stmt) {
  stmt->kind = StmtKind::kSet;
  ASSIGN_OR_RETURN(stmt->target, expressions_.ParseTarget(true));
  if (tokens_.SkipOp("=")) {
    ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseTuple());
    return OkStatus();
  }
  stmt->kind = StmtKind::kSetBlock;
  ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseFilters(nullptr));
  ASSIGN_OR_RETURN(stmt->body, ParseOutsideLoops("endset"));
  return OkStatus();
}

Status Parser::ParseMacro(Stmt* stmt) {
  stmt->kind = StmtKind::kMacro;
  stmt->macro = std::make_unique<MacroDefinition>();
  stmt->macro->line = stmt->line;
  ASSIGN_OR_RETURN(stmt->macro->name, tokens_.ExpectName());
  if (!tokens_.IsOp("(")) return tokens_.Unexpected("'('");
  RETURN_IF_ERROR(ParseParameters(stmt->macro.get()));
  return ParseMacroBody("endmacro", stmt->macro.get());
}

// The body is a macro without a name. The called macro has it as `caller`.
Status Parser::ParseCall(Stmt* stmt) {
  stmt->kind = StmtKind::kCall;
  stmt->macro = std::make_unique<MacroDefinition>();
  stmt->macro->line = stmt->line;
  if (tokens_.IsOp("(")) RETURN_IF_ERROR(ParseParameters(stmt->macro.get()));
  ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseExpression());
  if (stmt->expr->kind != ExprKind::kCall) return tokens_.Unexpected("a call");
  return ParseMacroBody("endcall", stmt->macro.get());
}

Status Parser::ParseParameters(MacroDefinition* macro) {
  RETURN_IF_ERROR(tokens_.ExpectOp("("));
  while (!tokens_.IsOp(")")) {
    if (!macro->parameters.empty()) RETURN_IF_ERROR(tokens_.ExpectOp(","));
    ASSIGN_OR_RETURN(std::string parameter, tokens_.ExpectName());
    if (std::ranges::count(macro->parameters, parameter) > 0) {
      return InvalidArgument("line {}: macro '{}' has the parameter '{}' twice", macro->line, macro->name,
                             parameter.substr(0, 100));
    }
    macro->parameters.push_back(std::move(parameter));
    if (macro->parameters.size() > kMaxParameters) {
      return InvalidArgument("line {}: macro '{}' has more than {} parameters", macro->line, macro->name,
                             kMaxParameters);
    }
    if (tokens_.SkipOp("=")) {
      ASSIGN_OR_RETURN(ExprPtr value, expressions_.ParseExpression());
      macro->defaults.push_back(std::move(value));
    } else if (macro->parameters.back() == "caller") {
      return InvalidArgument("line {}: macro '{}': the parameter 'caller' needs a default", macro->line,
                             macro->name);
    } else if (!macro->defaults.empty()) {
      return InvalidArgument("line {}: macro '{}': a parameter without default after one with",
                             tokens_.line(), macro->name);
    }
  }
  tokens_.Take();
  return OkStatus();
}

Status Parser::ParseMacroBody(std::string_view end, MacroDefinition* macro) {
  const MacroNames outer = expressions_.TakeMacroNames();
  ASSIGN_OR_RETURN(macro->body, ParseOutsideLoops(end));
  const MacroNames names = expressions_.TakeMacroNames();
  macro->uses_caller = names.caller;
  macro->uses_varargs = names.varargs;
  macro->uses_kwargs = names.kwargs;
  expressions_.AddMacroNames(outer);
  expressions_.AddMacroNames(names);
  return OkStatus();
}

Status Parser::ParseNamedBlock(Stmt* stmt) {
  stmt->kind = StmtKind::kNamedBlock;
  ASSIGN_OR_RETURN(stmt->text, tokens_.ExpectName());
  if (std::ranges::count(blocks_, stmt->text) > 0) {
    return InvalidArgument("line {}: block '{}' is there twice", stmt->line, stmt->text.substr(0, 100));
  }
  blocks_.push_back(stmt->text);
  stmt->scoped = tokens_.SkipName("scoped");
  if (tokens_.IsName("required")) {
    return InvalidArgument("line {}: block '{}' is 'required', and no template fills it", stmt->line,
                           stmt->text.substr(0, 100));
  }
  ASSIGN_OR_RETURN(stmt->body, ParseOutsideLoops("endblock"));
  tokens_.SkipName(stmt->text);
  return OkStatus();
}

Status Parser::ParseWith(Stmt* stmt) {
  stmt->kind = StmtKind::kWith;
  while (tokens_.Peek().kind != TokenKind::kBlockEnd) {
    if (!stmt->assignments.empty()) RETURN_IF_ERROR(tokens_.ExpectOp(","));
    ASSIGN_OR_RETURN(ExprPtr target, expressions_.ParseTarget(false));
    RETURN_IF_ERROR(tokens_.ExpectOp("="));
    ASSIGN_OR_RETURN(ExprPtr value, expressions_.ParseExpression());
    stmt->assignments.emplace_back(std::move(target), std::move(value));
  }
  ASSIGN_OR_RETURN(stmt->body, ParseWhole("endwith"));
  return OkStatus();
}

}  // namespace

Result<Block> Parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return InvalidArgument("template of {} bytes: at most {}", source.size(), kMaxSourceBytes);
  }
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(ReplaceIllFormed(source)));
  ASSIGN_OR_RETURN(Block block, Parser(std::move(tokens)).ParseBlock({}));
  RETURN_IF_ERROR(CheckNames(block));
  return block;
}

}  // namespace exeunt::text::jinja
