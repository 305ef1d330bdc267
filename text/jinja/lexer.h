// Lexer: a template's source as tokens, with the white space rules of trim_blocks and lstrip_blocks, which is
// how transformers sets Jinja up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace exeunt::text::jinja {

enum class TokenKind {
  kText,
  kOutputBegin,
  kOutputEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInt,
  kFloat,
  kOp,
  kEnd
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 0;
  std::string text;  // of kText, kName, kString (unescaped) and kOp
  int64_t integer = 0;
  double number = 0.0;
};

// Ends with one kEnd. `source` is well-formed UTF-8. Errors name the line.
Result<std::vector<Token>> Tokenize(std::string_view source);

// str.isspace of one character.
bool IsPythonSpace(char32_t code);

}  // namespace exeunt::text::jinja
