// Lexer splits a template's source into tokens. It has the white space rules of trim_blocks and
// lstrip_blocks, which are transformers' settings of Jinja.
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
  std::string text;  // text of kText, kName, kString (unescaped) and kOp
  int64_t integer = 0;
  double number = 0.0;
};

// The result ends with one kEnd. `source` must be well-formed UTF-8. Errors name the line.
Result<std::vector<Token>> Tokenize(std::string_view source);

// str.isspace for one character.
bool IsPythonSpace(char32_t code);

}  // namespace exeunt::text::jinja
