// PreTokenizer: one step that cuts text into pieces which the model then splits one by one, as
// tokenizer.json's "pre_tokenizer" lists them. Immutable; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/regex.h"

namespace exeunt::text {

// A text and the pieces it is cut into: in order, never empty; what no piece covers is dropped.
struct PreTokens {
  struct Piece {
    size_t begin = 0;
    size_t end = 0;
    bool at_start = false;  // of what the user wrote
  };
  std::string text;
  std::vector<Piece> pieces;

  // All of `text` as one piece, none where it is empty.
  static PreTokens Whole(std::string text, bool at_start);
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void Apply(PreTokens* tokens, RegexScratch* scratch) const = 0;
};

using PreTokenizers = std::vector<std::unique_ptr<PreTokenizer>>;

// What becomes of the delimiters that a text is split at.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
enum class PrependScheme { kFirst, kNever, kAlways };

// Delimiters are the matches of `pattern`, or, inverted, what lies between them.
std::unique_ptr<PreTokenizer> MakeSplit(Regex pattern, SplitBehavior behavior, bool invert);
// Delimiters are single characters for which `predicate` holds.
std::unique_ptr<PreTokenizer> MakeSplitAt(bool (*predicate)(char32_t), SplitBehavior behavior);
// Maps bytes to GPT-2's characters; `words` (GPT-2's own expression) splits first, where given.
std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space, std::unique_ptr<PreTokenizer> words);
// Spaces become `replacement`, which is also put in front as `scheme` says; with `split`, words start at it.
Result<std::unique_ptr<PreTokenizer>> MakeMetaspace(const std::string& replacement, PrependScheme scheme,
                                                    bool split);

}  // namespace exeunt::text
