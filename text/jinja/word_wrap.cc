#include "text/jinja/word_wrap.h"

#include <algorithm>

#include "text/jinja/lexer.h"
#include "text/jinja/python_text.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

using Text = std::u32string_view;

bool IsSpace(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsLetter(char32_t c) {
  return c == '_' || (IsAlphabetic(c)) || (c > 0x7F && IsNumeric(c) && !IsDecimal(c));
}
bool IsWordCharacter(char32_t c) { return c == '_' || IsAlphabetic(c) || IsNumeric(c); }
// textwrap's word_punct.
bool IsWordOrPunctuation(char32_t c) {
  return IsWordCharacter(c) || std::u32string_view(U"!\"'&.,?").find(c) != std::u32string_view::npos;
}

// textwrap's wordsep_re. Chunks are runs of white space, dashes between words, and words, which may end after
// a hyphen.
class Chunker {
 public:
  Chunker(Text text, bool on_hyphens) : text_(text), on_hyphens_(on_hyphens) {}
  std::vector<Text> Run() {
    std::vector<Text> chunks;
    for (size_t at = 0; at < text_.size();) {
      const size_t end = EndOf(at);
      chunks.push_back(text_.substr(at, end - at));
      at = end;
    }
    return chunks;
  }

 private:
  bool Letter(size_t at) const { return at < text_.size() && IsLetter(text_[at]); }
  // Returns whether two dashes or more begin here with a word behind them. `end` is the start of that word.
  bool EmDash(size_t at, size_t* end) const {
    if (at == 0 || !IsWordOrPunctuation(text_[at - 1])) return false;
    size_t stop = at;
    while (stop < text_.size() && text_[stop] == '-') ++stop;
    *end = stop;
    return stop - at >= 2 && stop < text_.size() && IsWordCharacter(text_[stop]);
  }
  // Returns whether the hyphen at `at` is inside a word.
  bool Hyphen(size_t at) const {
    const bool after_letters = at >= 2 && Letter(at - 1) && Letter(at - 2);
    const bool after_part =
        at >= 3 && Letter(at - 3) && text_[at - 2] == '-' && IsWordOrPunctuation(text_[at - 1]);
    if (!after_letters && !after_part) return false;
    if (!Letter(at + 1)) return false;
    return Letter(at + 2) || (at + 2 < text_.size() && text_[at + 2] == '-' && Letter(at + 3));
  }
  size_t EndOf(size_t at) const {
    size_t end = at;
    if (IsSpace(text_[at])) {
      while (end < text_.size() && IsSpace(text_[end])) ++end;
      return end;
    }
    if (on_hyphens_ && EmDash(at, &end)) return end;
    size_t unused = 0;
    for (end = at + 1; end < text_.size() && !IsSpace(text_[end]); ++end) {
      if (!on_hyphens_) continue;
      if (text_[end] == '-' && Hyphen(end)) return end + 1;
      if (EmDash(end, &unused)) return end;
    }
    return end;
  }

  Text text_;
  bool on_hyphens_;
};

bool IsBlank(Text chunk) { return std::ranges::all_of(chunk, IsPythonSpace); }

std::string Utf8Of(const std::u32string& line) {
  std::string out;
  for (const char32_t c : line) AppendUtf8(c, &out);
  return out;
}

// Returns how much of a word that is too long fits on a line with `space`.
size_t BreakAt(Text chunk, size_t space, bool on_hyphens) {
  if (!on_hyphens || chunk.size() <= space) return space;
  const size_t hyphen = chunk.substr(0, space).rfind(U'-');
  const bool inside = hyphen != Text::npos && chunk.substr(0, hyphen).find_first_not_of(U'-') != Text::npos;
  return inside ? hyphen + 1 : space;
}

}  // namespace

std::vector<std::string> WrapText(std::string_view text, const WrapOptions& options) {
  std::u32string codes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    codes += c.code;
    at += c.size;
  }
  std::vector<Text> chunks = Chunker(codes, options.break_on_hyphens).Run();
  std::ranges::reverse(chunks);
  const auto width = static_cast<size_t>(options.width);
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    if (IsBlank(chunks.back()) && !lines.empty()) chunks.pop_back();
    if (chunks.empty()) break;
    // White space at the start that fills whole lines gives no lines.
    if (options.break_long_words && lines.empty() && chunks.back().size() > width && IsBlank(chunks.back()))
      chunks.back().remove_prefix((chunks.back().size() - 1) / width * width);
    std::u32string line;
    size_t last = 0;  // start of the last chunk of the line
    while (!chunks.empty() && line.size() + chunks.back().size() <= width) {
      last = line.size();
      line += chunks.back();
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > width) {
      Text& word = chunks.back();
      if (options.break_long_words) {
        const size_t n = BreakAt(word, width - line.size(), options.break_on_hyphens);
        last = line.size();
        line += word.substr(0, n);
        word.remove_prefix(n);
      } else if (line.empty()) {
        line = word;
        chunks.pop_back();
      }
    }
    if (IsBlank(Text(line).substr(last))) line.resize(last);
    if (!line.empty()) lines.push_back(Utf8Of(line));
  }
  return lines;
}

}  // namespace exeunt::text::jinja
