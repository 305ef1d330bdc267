// TokenStream holds the tokens of a template. The parsers read it from left to right.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/jinja/lexer.h"

namespace exeunt::text::jinja {

class TokenStream {
 public:
  // `tokens` must end with kEnd.
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& Peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  int line() const { return Peek().line; }
  Token Take() {
    Token token = Peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool IsOp(std::string_view op, size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kOp && Peek(ahead).text == op;
  }
  bool IsName(std::string_view name, size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kName && Peek(ahead).text == name;
  }
  bool IsAnyName(const std::vector<std::string_view>& names) const {
    for (const std::string_view name : names) {
      if (IsName(name)) return true;
    }
    return false;
  }
  bool SkipOp(std::string_view op) {
    if (!IsOp(op)) return false;
    Take();
    return true;
  }
  bool SkipName(std::string_view name) {
    if (!IsName(name)) return false;
    Take();
    return true;
  }
  Status ExpectOp(std::string_view op) {
    if (SkipOp(op)) return OkStatus();
    return Unexpected(fmt::format("'{}'", op));
  }
  Status Expect(TokenKind kind, std::string_view what) {
    if (Peek().kind != kind) return Unexpected(what);
    Take();
    return OkStatus();
  }
  Result<std::string> ExpectName() {
    if (Peek().kind != TokenKind::kName) return Unexpected("a name");
    return Take().text;
  }
  Error Unexpected(std::string_view wanted) const {
    return InvalidArgument("line {}: {} instead of {}", line(), Describe(), wanted);
  }
  std::string Describe() const {
    switch (Peek().kind) {
      case TokenKind::kEnd:
        return "the end of the template";
      case TokenKind::kText:
        return "text";
      case TokenKind::kOutputBegin:
        return "'{{'";
      case TokenKind::kOutputEnd:
        return "'}}'";
      case TokenKind::kBlockBegin:
        return "'{%'";
      case TokenKind::kBlockEnd:
        return "'%}'";
      case TokenKind::kString:
        return "a string";
      default:
        return fmt::format("'{}'", Peek().text.substr(0, 100));
    }
  }

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace exeunt::text::jinja
