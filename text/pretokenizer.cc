#include "text/pretokenizer.h"

#include <optional>

#include "text/byte_level.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

using Piece = PreTokens::Piece;

// A stretch of a piece. It is a delimiter or lies between two delimiters.
struct Stretch {
  TextRange range;
  bool delimiter = false;
};

// Covers [0, size) with the matches and the text between them.
std::vector<Stretch> Cover(const std::vector<TextRange>& matches, size_t size, bool invert) {
  std::vector<Stretch> stretches;
  size_t at = 0;
  for (const TextRange match : matches) {
    if (at < match.begin) stretches.push_back({{at, match.begin}, invert});
    stretches.push_back({match, !invert});
    at = match.end;
  }
  if (at < size) stretches.push_back({{at, size}, invert});
  return stretches;
}

// Joins delimiters with their neighbours, as `behavior` says.
std::vector<TextRange> Arrange(const std::vector<Stretch>& stretches, SplitBehavior behavior) {
  std::vector<TextRange> ranges;
  bool previous = false;
  for (const auto& [range, delimiter] : stretches) {
    const bool joins = behavior == SplitBehavior::kContiguous           ? delimiter == previous
                       : behavior == SplitBehavior::kMergedWithPrevious ? delimiter && !previous
                       : behavior == SplitBehavior::kMergedWithNext     ? previous && !delimiter
                                                                        : false;
    previous = delimiter;
    if (behavior == SplitBehavior::kRemoved && delimiter) continue;
    if (joins && !ranges.empty()) {
      ranges.back().end = range.end;
    } else {
      ranges.push_back(range);
    }
  }
  return ranges;
}

void AppendPieces(const std::vector<Stretch>& stretches, SplitBehavior behavior, const Piece& whole,
                  std::vector<Piece>* out) {
  for (const TextRange range : Arrange(stretches, behavior)) {
    if (range.begin == range.end) continue;
    out->push_back({whole.begin + range.begin, whole.begin + range.end, whole.at_start && range.begin == 0});
  }
}

class Split : public PreTokenizer {
 public:
  Split(Regex pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void Apply(PreTokens* tokens, RegexScratch* scratch) const override {
    std::vector<Piece> pieces;
    for (const Piece& piece : tokens->pieces) {
      const std::string_view text =
          std::string_view(tokens->text).substr(piece.begin, piece.end - piece.begin);
      AppendPieces(Cover(pattern_.FindAll(text, scratch), text.size(), invert_), behavior_, piece, &pieces);
    }
    tokens->pieces = std::move(pieces);
  }

 private:
  Regex pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class SplitAt : public PreTokenizer {
 public:
  SplitAt(bool (*predicate)(char32_t), SplitBehavior behavior) : predicate_(predicate), behavior_(behavior) {}
  void Apply(PreTokens* tokens, RegexScratch*) const override {
    std::vector<Piece> pieces;
    std::vector<TextRange> matches;
    for (const Piece& piece : tokens->pieces) {
      const std::string_view text =
          std::string_view(tokens->text).substr(piece.begin, piece.end - piece.begin);
      matches.clear();
      for (size_t at = 0; at < text.size();) {
        const Utf8Char c = DecodeUtf8(text.substr(at));
        if (predicate_(c.code)) matches.push_back({at, at + c.size});
        at += c.size;
      }
      AppendPieces(Cover(matches, text.size(), false), behavior_, piece, &pieces);
    }
    tokens->pieces = std::move(pieces);
  }

 private:
  bool (*predicate_)(char32_t);
  SplitBehavior behavior_;
};

// Rewrites each piece with f(text of the piece, at_start, out).
template <typename F>
void Rewrite(PreTokens* tokens, F f) {
  PreTokens result;
  result.text.reserve(tokens->text.size() * 2);
  for (const Piece& piece : tokens->pieces) {
    const size_t begin = result.text.size();
    f(std::string_view(tokens->text).substr(piece.begin, piece.end - piece.begin), piece.at_start,
      &result.text);
    result.pieces.push_back({begin, result.text.size(), piece.at_start});
  }
  *tokens = std::move(result);
}

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, std::unique_ptr<PreTokenizer> words)
      : add_prefix_space_(add_prefix_space), words_(std::move(words)) {}
  void Apply(PreTokens* tokens, RegexScratch* scratch) const override {
    if (add_prefix_space_) {
      Rewrite(tokens, [](std::string_view text, bool, std::string* out) {
        if (!text.starts_with(' ')) out->push_back(' ');
        out->append(text);
      });
    }
    if (words_ != nullptr) words_->Apply(tokens, scratch);
    Rewrite(tokens, [](std::string_view text, bool, std::string* out) { AppendByteLevel(text, out); });
  }

 private:
  bool add_prefix_space_;
  std::unique_ptr<PreTokenizer> words_;
};

class Metaspace : public PreTokenizer {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, std::optional<Split> split)
      : replacement_(std::move(replacement)), scheme_(scheme), split_(std::move(split)) {}
  void Apply(PreTokens* tokens, RegexScratch* scratch) const override {
    Rewrite(tokens, [&](std::string_view text, bool at_start, std::string* out) {
      const bool prepend =
          scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && at_start);
      if (prepend && !text.starts_with(' ') && !text.starts_with(replacement_)) out->append(replacement_);
      for (const char c : text) {
        if (c == ' ') {
          out->append(replacement_);
        } else {
          out->push_back(c);
        }
      }
    });
    if (split_.has_value()) split_->Apply(tokens, scratch);
  }

 private:
  std::string replacement_;
  PrependScheme scheme_;
  std::optional<Split> split_;
};

}  // namespace

PreTokens PreTokens::Whole(std::string text, bool at_start) {
  PreTokens tokens;
  if (!text.empty()) tokens.pieces.push_back({0, text.size(), at_start});
  tokens.text = std::move(text);
  return tokens;
}

std::unique_ptr<PreTokenizer> MakeSplit(Regex pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

std::unique_ptr<PreTokenizer> MakeSplitAt(bool (*predicate)(char32_t), SplitBehavior behavior) {
  return std::make_unique<SplitAt>(predicate, behavior);
}

std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space, std::unique_ptr<PreTokenizer> words) {
  return std::make_unique<ByteLevel>(add_prefix_space, std::move(words));
}

Result<std::unique_ptr<PreTokenizer>> MakeMetaspace(const std::string& replacement, PrependScheme scheme,
                                                    bool split) {
  std::optional<Split> at;
  if (split) {
    ASSIGN_OR_RETURN(Regex pattern, Regex::Literal(replacement));
    at.emplace(std::move(pattern), SplitBehavior::kMergedWithNext, false);
  }
  return std::unique_ptr<PreTokenizer>(std::make_unique<Metaspace>(replacement, scheme, std::move(at)));
}

}  // namespace exeunt::text
