// A PreTokenizer is one step that cuts text into pieces, as listed in tokenizer.json's "pre_tokenizer". The
// model then splits each piece. Immutable. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/regex.h"

namespace exeunt::text {

// A text and its pieces, in order and never empty. Text that no piece covers is dropped.
struct PreTokens {
  struct Piece {
    size_t begin = 0;
    size_t end = 0;
    bool at_start = false;  // whether it is at the start of the user's text
  };
  std::string text;
  std::vector<Piece> pieces;

  // Returns all of `text` as one piece, or no piece if it is empty.
  static PreTokens Whole(std::string text, bool at_start);
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void Apply(PreTokens* tokens, RegexScratch* scratch) const = 0;
};

using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

// The treatment of the delimiters at which a text is split.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
enum class PrependScheme { kFirst, kNever, kAlways };

// Delimiters are the matches of `pattern` or, if inverted, the text between them.
std::unique_ptr<PreTokenizer> MakeSplit(Regex pattern, SplitBehavior behavior, bool invert);
// Delimiters are single characters for which `predicate` holds.
std::unique_ptr<PreTokenizer> MakeSplitAt(bool (*predicate)(char32_t), SplitBehavior behavior);
// Maps bytes to GPT-2's characters. If `words` (GPT-2's own expression) is given, it splits first.
std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space, std::unique_ptr<PreTokenizer> words);
// Replaces spaces by `replacement`, which is also put in front as `scheme` says. With `split`, words start at
// it.
Result<std::unique_ptr<PreTokenizer>> MakeMetaspace(const std::string& replacement, PrependScheme scheme,
                                                    bool split);

}  // namespace exeunt::text
