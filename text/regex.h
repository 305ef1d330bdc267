// Regex is a regular expression of a tokenizer, over PCRE2. Patterns are written for Oniguruma (Ruby's
// syntax), which the `tokenizers` package uses. Where the two differ in what tokenizers use (\s, \w, ^ and
// $), the pattern is translated. Immutable. Thread-safe. Each thread must use its own RegexScratch.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace exeunt::text {

// [begin, end) of a text in bytes.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

// Working memory of matches for one call of Encode. Every match has a limit of steps. After a few matches
// that reached it no expression matches any more, so that a hostile pattern cannot hang a request.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  pcre2_real_match_data_8* match_data_;
  pcre2_real_match_context_8* context_;
  int limits_met_ = 0;
};

class Regex {
 public:
  // Returns InvalidArgument with PCRE2's message and offset.
  static Result<Regex> Compile(std::string_view pattern);
  // Matches exactly `text`.
  static Result<Regex> Literal(std::string_view text);

  // Returns every match in `text` (well-formed UTF-8) from left to right. A match that reaches its limit ends
  // the search.
  std::vector<TextRange> FindAll(std::string_view text, RegexScratch* scratch) const;

 private:
  explicit Regex(std::shared_ptr<pcre2_real_code_8> code) : code_(std::move(code)) {}
  std::shared_ptr<pcre2_real_code_8> code_;
};

}  // namespace exeunt::text
