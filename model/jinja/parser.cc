#include "model/jinja/parser.h"

#include "model/jinja/expression_parser.h"
#include "model/utf8.h"

namespace exeunt::jinja {
namespace {

constexpr size_t kMaxSourceBytes = size_t{1} << 20;
constexpr size_t kMaxParameters = 64;
constexpr int kMaxBlocks = 48;  // nesting of statements

using Names = std::vector<std::string_view>;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)), expressions_(&tokens_) {}
  // Statements up to one whose name is in `ends` (which is not taken), or to the end of the template.
  Result<Block> ParseBlock(const Names& ends);

 private:
  Result<StmtPtr> ParseStatement();
  Status ParseIf(Stmt* stmt);
  Status ParseFor(Stmt* stmt);
  Status ParseSet(Stmt* stmt);
  Status ParseMacro(Stmt* stmt);
  Status ParseWith(Stmt* stmt);
  Status EndTag() { return tokens_.Expect(TokenKind::kBlockEnd, "'%}'"); }
  // The rest of a tag, a block, and the name of the tag that ends it.
  Result<Block> ParseBody(const Names& ends);
  // ParseBody up to `end`, with that tag.
  Result<Block> ParseWhole(std::string_view end);

  TokenStream tokens_;
  ExpressionParser expressions_;
  int depth_ = 0;
};

Result<Block> Parser::ParseBlock(const Names& ends) {
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

Result<Block> Parser::ParseBody(const Names& ends) {
  RETURN_IF_ERROR(EndTag());
  return ParseBlock(ends);
}

Result<Block> Parser::ParseWhole(std::string_view end) {
  ASSIGN_OR_RETURN(Block body, ParseBody({end}));
  tokens_.Take();
  return body;
}

Result<StmtPtr> Parser::ParseStatement() {
  auto stmt = std::make_unique<Stmt>();
  stmt->line = tokens_.line();
  ASSIGN_OR_RETURN(const std::string name, tokens_.ExpectName());
  if (name == "if") {
    RETURN_IF_ERROR(ParseIf(stmt.get()));
  } else if (name == "for") {
    RETURN_IF_ERROR(ParseFor(stmt.get()));
  } else if (name == "set") {
    RETURN_IF_ERROR(ParseSet(stmt.get()));
  } else if (name == "macro") {
    RETURN_IF_ERROR(ParseMacro(stmt.get()));
  } else if (name == "with") {
    RETURN_IF_ERROR(ParseWith(stmt.get()));
  } else if (name == "break" || name == "continue") {
    stmt->kind = name == "break" ? StmtKind::kBreak : StmtKind::kContinue;
  } else if (name == "generation") {  // marks the assistant's part for training; it changes nothing here
    stmt->kind = StmtKind::kBlock;
    ASSIGN_OR_RETURN(stmt->body, ParseWhole("endgeneration"));
  } else {
    return Unimplemented("line {}: '{{% {} %}}' is not supported", stmt->line, name.substr(0, 100));
  }
  return stmt;
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
  if (!tokens_.SkipName("in")) return tokens_.Unexpected("'in'");
  ASSIGN_OR_RETURN(stmt->expr, expressions_.ParseTuple(false));
  if (tokens_.SkipName("if")) {
    ASSIGN_OR_RETURN(stmt->condition, expressions_.ParseExpression());
  }
  if (tokens_.IsName("recursive")) {
    return Unimplemented("line {}: 'recursive' is not supported", tokens_.line());
  }
  ASSIGN_OR_RETURN(stmt->body, ParseBody({"else", "endfor"}));
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
  ASSIGN_OR_RETURN(stmt->body, ParseWhole("endset"));
  return OkStatus();
}

Status Parser::ParseMacro(Stmt* stmt) {
  stmt->kind = StmtKind::kMacro;
  stmt->macro = std::make_unique<MacroDefinition>();
  MacroDefinition& macro = *stmt->macro;
  macro.line = stmt->line;
  ASSIGN_OR_RETURN(macro.name, tokens_.ExpectName());
  RETURN_IF_ERROR(tokens_.ExpectOp("("));
  while (!tokens_.IsOp(")")) {
    if (!macro.parameters.empty()) RETURN_IF_ERROR(tokens_.ExpectOp(","));
    ASSIGN_OR_RETURN(std::string parameter, tokens_.ExpectName());
    macro.parameters.push_back(std::move(parameter));
    if (macro.parameters.size() > kMaxParameters) {
      return InvalidArgument("line {}: macro '{}' has more than {} parameters", stmt->line, macro.name,
                             kMaxParameters);
    }
    if (tokens_.SkipOp("=")) {
      ASSIGN_OR_RETURN(ExprPtr value, expressions_.ParseExpression());
      macro.defaults.push_back(std::move(value));
    } else if (!macro.defaults.empty()) {
      return InvalidArgument("line {}: macro '{}': a parameter without default after one with",
                             tokens_.line(), macro.name);
    }
  }
  tokens_.Take();
  ASSIGN_OR_RETURN(macro.body, ParseWhole("endmacro"));
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
  return Parser(std::move(tokens)).ParseBlock({});
}

}  // namespace exeunt::jinja
