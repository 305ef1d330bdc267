#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/jinja/literals.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

constexpr std::array<std::string_view, 6> kOperators2 = {"//", "**", "==", "!=", ">=", "<="};
constexpr std::string_view kOperators1 = "+-/*%~[](){}><=.:|,;";

bool IsAsciiSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Replaces \r\n and \r by \n, and removes one newline at the end.
std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else if (i + 1 >= source.size() || source[i + 1] != '\n') {
      out += '\n';
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}
  Result<std::vector<Token>> Run();

 private:
  std::string_view Rest() const { return std::string_view(source_).substr(at_); }
  bool At(std::string_view text) const { return Rest().starts_with(text); }
  void Advance(size_t n);
  void SkipSpace();
  void SkipOneNewline();
  void Add(TokenKind kind, std::string text = "") { tokens_.push_back({kind, line_, std::move(text)}); }
  void AddText(std::string_view text, char sign, bool strips_line);
  bool SkipEndOf(std::string_view end, bool trims);
  size_t FindTag() const;
  Status LexTag();
  Status LexComment();
  bool IsRaw(size_t* after) const;
  Status LexRaw(size_t after);
  Status LexInside(std::string_view end, TokenKind end_kind);
  Status LexOne(std::vector<char>* open);
  Status LexNumber();
  Status LexString();

  std::string source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // whether at_ is at the start, or just after a newline that a tag swallowed
  std::vector<Token> tokens_;
};

void Lexer::Advance(size_t n) {
  line_ += static_cast<int>(std::count(source_.begin() + static_cast<int64_t>(at_),
                                       source_.begin() + static_cast<int64_t>(at_ + n), '\n'));
  at_ += n;
}

void Lexer::SkipSpace() {
  while (at_ < source_.size()) {
    const Utf8Char c = DecodeUtf8(Rest());
    if (!IsPythonSpace(c.code)) break;
    Advance(c.size);
  }
}

void Lexer::SkipOneNewline() {
  if (At("\n")) Advance(1);
}

// Adds the text before a tag. `sign` is the tag's '-' or '+'. `strips_line` says that the tag is no output.
void Lexer::AddText(std::string_view text, char sign, bool strips_line) {
  std::string_view kept = text;
  if (sign == '-') {
    kept = StripRight(text, "");
  } else if (sign != '+' && strips_line) {
    const size_t newline = text.rfind('\n');
    const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    if ((begin > 0 || line_starting_) && StripRight(text.substr(begin), "").empty())
      kept = text.substr(0, begin);
  }
  if (!kept.empty()) Add(TokenKind::kText, std::string(kept));
}

// Skips "-END" with the white space after it, "+END", or "END" with a newline (if it `trims`).
bool Lexer::SkipEndOf(std::string_view end, bool trims) {
  if (At("-") && Rest().substr(1).starts_with(end)) {
    Advance(1 + end.size());
    SkipSpace();
  } else if (trims && At("+") && Rest().substr(1).starts_with(end)) {
    Advance(1 + end.size());
  } else if (At(end)) {
    Advance(end.size());
    if (trims) SkipOneNewline();
  } else {
    return false;
  }
  line_starting_ = source_[at_ - 1] == '\n';
  return true;
}

size_t Lexer::FindTag() const {
  for (size_t i = at_; i + 1 < source_.size(); ++i) {
    if (source_[i] == '{' && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#'))
      return i;
  }
  return source_.size();
}

Status Lexer::LexComment() {
  const int line = line_;
  const size_t end = source_.find("#}", at_);
  if (end == std::string::npos) return InvalidArgument("line {}: a comment without its end", line);
  const bool sign = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+');
  Advance((sign ? end - 1 : end) - at_);
  SkipEndOf("#}", true);
  return OkStatus();
}

// Returns whether the block tag at at_ is {% raw %}, and where its content starts.
bool Lexer::IsRaw(size_t* after) const {
  const auto skip_space = [&](size_t i) {
    while (i < source_.size() && IsAsciiSpace(source_[i])) ++i;
    return i;
  };
  size_t i = at_ + 2;
  if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
  i = skip_space(i);
  if (source_.compare(i, 3, "raw") != 0) return false;
  i = skip_space(i + 3);
  const bool strip = source_.compare(i, 3, "-%}") == 0;
  if (!strip && source_.compare(i, 2, "%}") != 0) return false;
  *after = strip ? skip_space(i + 3) : i + 2;
  return true;
}

Status Lexer::LexRaw(size_t after) {
  const int line = line_;
  Advance(after - at_);
  line_starting_ = source_[at_ - 1] == '\n';
  for (size_t i = source_.find("{%", at_); i != std::string::npos; i = source_.find("{%", i + 2)) {
    size_t word = i + 2;
    const char sign = word < source_.size() ? source_[word] : ' ';
    if (sign == '-' || sign == '+') ++word;
    while (word < source_.size() && IsAsciiSpace(source_[word])) ++word;
    if (source_.compare(word, 6, "endraw") != 0) continue;
    size_t end = word + 6;
    while (end < source_.size() && IsAsciiSpace(source_[end])) ++end;
    AddText(std::string_view(source_).substr(at_, i - at_), sign, true);
    Advance(end - at_);
    if (SkipEndOf("%}", true)) return OkStatus();
  }
  return InvalidArgument("line {}: raw without its endraw", line);
}

Status Lexer::LexTag() {
  const size_t tag = FindTag();
  const std::string_view text = std::string_view(source_).substr(at_, tag - at_);
  if (tag == source_.size()) {
    if (!text.empty()) Add(TokenKind::kText, std::string(text));
    at_ = source_.size();
    return OkStatus();
  }
  const char kind = source_[tag + 1];
  const char after = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
  const char sign = after == '-' || after == '+' ? after : ' ';
  AddText(text, sign, kind != '{');
  Advance(tag - at_);
  size_t raw_after = 0;
  if (kind == '%' && IsRaw(&raw_after)) return LexRaw(raw_after);
  const size_t begin_size = sign == ' ' ? 2 : 3;
  if (kind == '#') {
    Advance(begin_size);
    return LexComment();
  }
  Add(kind == '{' ? TokenKind::kOutputBegin : TokenKind::kBlockBegin);
  Advance(begin_size);
  return kind == '{' ? LexInside("}}", TokenKind::kOutputEnd) : LexInside("%}", TokenKind::kBlockEnd);
}

Status Lexer::LexInside(std::string_view end, TokenKind end_kind) {
  std::vector<char> open;  // closing brackets that must follow
  while (at_ < source_.size()) {
    const int line = line_;
    if (open.empty() && SkipEndOf(end, end_kind == TokenKind::kBlockEnd)) {
      tokens_.push_back({end_kind, line, ""});
      return OkStatus();
    }
    RETURN_IF_ERROR(LexOne(&open));
  }
  return InvalidArgument("line {}: '{}' is missing", line_, end);
}

Status Lexer::LexOne(std::vector<char>* open) {
  const Utf8Char c = DecodeUtf8(Rest());
  if (IsPythonSpace(c.code)) {
    SkipSpace();
    return OkStatus();
  }
  if (c.code < 0x80 && IsAsciiDigit(static_cast<char>(c.code))) return LexNumber();
  if (c.code == '\'' || c.code == '"') return LexString();
  if (IsWord(c.code)) {
    size_t size = 0;
    while (at_ + size < source_.size()) {
      const Utf8Char next = DecodeUtf8(Rest().substr(size));
      if (!IsWord(next.code)) break;
      size += next.size;
    }
    Add(TokenKind::kName, std::string(Rest().substr(0, size)));
    at_ += size;
    return OkStatus();
  }
  const auto two = std::ranges::find_if(kOperators2, [&](std::string_view op) { return At(op); });
  const std::string_view op = two != kOperators2.end() ? *two : Rest().substr(0, c.size);
  if (two == kOperators2.end() && kOperators1.find(op) == std::string_view::npos) {
    return InvalidArgument("line {}: unexpected character '{}'", line_, op);
  }
  if (op == "(" || op == "[" || op == "{") open->push_back(op == "(" ? ')' : op == "[" ? ']' : '}');
  if (op == ")" || op == "]" || op == "}") {
    if (open->empty() || open->back() != op[0]) return InvalidArgument("line {}: unexpected '{}'", line_, op);
    open->pop_back();
  }
  Add(TokenKind::kOp, std::string(op));
  at_ += op.size();
  return OkStatus();
}

Status Lexer::LexNumber() {
  ASSIGN_OR_RETURN(Token token, ReadNumber(source_, line_, &at_));
  tokens_.push_back(std::move(token));
  return OkStatus();
}

Status Lexer::LexString() {
  size_t end = at_;
  ASSIGN_OR_RETURN(std::string text, ReadString(source_, line_, &end));
  Add(TokenKind::kString, std::move(text));
  Advance(end - at_);
  return OkStatus();
}

Result<std::vector<Token>> Lexer::Run() {
  while (at_ < source_.size()) RETURN_IF_ERROR(LexTag());
  Add(TokenKind::kEnd);
  return std::move(tokens_);
}

}  // namespace

bool IsPythonSpace(char32_t code) { return IsWhitespace(code) || (code >= 0x1C && code <= 0x1F); }

Result<std::vector<Token>> Tokenize(std::string_view source) {
  return Lexer(NormalizeNewlines(source)).Run();
}

}  // namespace exeunt::text::jinja
