#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.h"

#include <pcre2.h>

#include "base/check.h"
#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxPatternBytes = 65536;
constexpr uint32_t kMatchLimit =
    10'000'000;  // backtracking points; a run of white space takes one a character
constexpr uint32_t kHeapLimitKib = 65536;
constexpr int kMaxLimitsMet = 4;

// PCRE2's \s also has U+180E. Its \w lacks marks and connectors.
constexpr std::string_view kSpaceClass =
    R"(\x09-\x0D\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";
constexpr std::string_view kWordClass = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";

// Writes \s, \S, \w and \W as explicit classes, and \b with them. A negated one inside a class cannot be
// written so and remains PCRE2's.
std::string Translate(std::string_view pattern) {
  std::string out;
  int class_depth = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      const std::string_view set = next == 's' || next == 'S' ? kSpaceClass : kWordClass;
      if (next == 's' || next == 'w') {
        out += class_depth > 0 ? std::string(set) : fmt::format("[{}]", set);
      } else if ((next == 'S' || next == 'W') && class_depth == 0) {
        out += fmt::format("[^{}]", set);
      } else if (next == 'b' && class_depth == 0) {
        out += fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWordClass);
      } else {
        out += {c, next};
      }
      continue;
    }
    if (class_depth == 0 && c == '[') {
      class_depth = 1;
      out += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += pattern[++i];
      continue;
    }
    if (class_depth > 0 && c == '[' && i + 1 < pattern.size() && pattern[i + 1] == ':') ++class_depth;
    if (class_depth > 0 && c == ']') --class_depth;
    out += c;
  }
  return out;
}

Result<std::shared_ptr<pcre2_code>> CompileCode(const std::string& pattern, uint32_t options) {
  struct ContextDeleter {
    void operator()(pcre2_compile_context* c) const { pcre2_compile_context_free(c); }
  };
  const std::unique_ptr<pcre2_compile_context, ContextDeleter> context(pcre2_compile_context_create(nullptr));
  CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   options | PCRE2_UTF, &error, &offset, context.get());
  if (code == nullptr) {
    PCRE2_UCHAR message[256] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    return InvalidArgument("regular expression '{}' at {}: {}", pattern.substr(0, 200), offset,
                           reinterpret_cast<const char*>(message));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // the interpreter does the work if this fails
  return std::shared_ptr<pcre2_code>(code, pcre2_code_free);
}

}  // namespace

RegexScratch::RegexScratch()
    : match_data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
  CHECK(match_data_ != nullptr && context_ != nullptr);
  pcre2_set_match_limit(context_, kMatchLimit);
  pcre2_set_heap_limit(context_, kHeapLimitKib);
}

RegexScratch::~RegexScratch() {
  pcre2_match_data_free(match_data_);
  pcre2_match_context_free(context_);
}

Result<Regex> Regex::Compile(std::string_view pattern) {
  if (pattern.size() > kMaxPatternBytes) {
    return InvalidArgument("regular expression of {} bytes: at most {}", pattern.size(), kMaxPatternBytes);
  }
  if (!IsWellFormed(pattern)) return InvalidArgument("regular expression that is not UTF-8");
  // In Ruby's syntax ^ and $ always match at lines.
  ASSIGN_OR_RETURN(auto code,
                   CompileCode(Translate(pattern), PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C));
  return Regex(std::move(code));
}

Result<Regex> Regex::Literal(std::string_view text) {
  if (text.size() > kMaxPatternBytes) {
    return InvalidArgument("pattern of {} bytes: at most {}", text.size(), kMaxPatternBytes);
  }
  ASSIGN_OR_RETURN(auto code, CompileCode(std::string(text), PCRE2_LITERAL));
  return Regex(std::move(code));
}

std::vector<TextRange> Regex::FindAll(std::string_view text, RegexScratch* scratch) const {
  std::vector<TextRange> matches;
  size_t from = 0;
  while (from <= text.size() && scratch->limits_met_ < kMaxLimitsMet) {
    const auto match = [&](uint32_t options) {
      return pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                         PCRE2_NO_UTF_CHECK | options, scratch->match_data_, scratch->context_);
    };
    int rc = match(0);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = match(PCRE2_NO_JIT);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      ++scratch->limits_met_;
      break;
    }
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(scratch->match_data_);
    const TextRange range{bounds[0], bounds[1]};
    if (range.end < range.begin || range.begin < from) break;  // \K in a lookaround can do this
    if (range.begin == range.end && !matches.empty() && matches.back().end == range.end) {
      // An empty match right after the last one does not count.
      if (range.end >= text.size()) break;
      from = range.end + DecodeUtf8(text.substr(range.end)).size;
      continue;
    }
    matches.push_back(range);
    from = range.end;
    if (range.begin == range.end && range.end >= text.size()) break;
  }
  return matches;
}

}  // namespace exeunt::text
