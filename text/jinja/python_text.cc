#include "text/jinja/python_text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "text/jinja/lexer.h"
#include "text/utf8.h"

namespace exeunt::text::jinja {
namespace {

std::string_view LastCharacter(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0U) == 0x80U) --at;
  return text.substr(at);
}

bool IsOneOf(std::string_view character, std::string_view characters) {
  if (characters.empty()) return IsPythonSpace(DecodeUtf8(character).code);
  return characters.find(character) != std::string_view::npos;
}

std::string_view FirstCharacter(std::string_view text) { return text.substr(0, DecodeUtf8(text).size); }

enum class Case { kUpper, kLower, kTitle };

void AppendCased(char32_t code, Case to, std::string* out) {
  if (code == 0xDF && to != Case::kLower) {  // the sharp s
    out->append(to == Case::kUpper ? "SS" : "Ss");
    return;
  }
  const auto given = static_cast<utf8proc_int32_t>(code);
  const auto cased = to == Case::kUpper   ? utf8proc_toupper(given)
                     : to == Case::kLower ? utf8proc_tolower(given)
                                          : utf8proc_totitle(given);
  AppendUtf8(static_cast<char32_t>(cased), out);
}

bool IsCased(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category == UTF8PROC_CATEGORY_LU || category == UTF8PROC_CATEGORY_LL ||
         category == UTF8PROC_CATEGORY_LT;
}

bool IsLineEnd(char32_t code) {
  return (code >= 0x0A && code <= 0x0D) || (code >= 0x1C && code <= 0x1E) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

// Changes every character to the case that `to(code)` returns at that point.
template <typename F>
std::string MapCase(std::string_view text, F to) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    AppendCased(c.code, to(c.code), &out);
    at += c.size;
  }
  return out;
}

}  // namespace

std::string_view StripLeft(std::string_view text, std::string_view characters) {
  while (!text.empty() && IsOneOf(FirstCharacter(text), characters))
    text.remove_prefix(FirstCharacter(text).size());
  return text;
}

std::string_view StripRight(std::string_view text, std::string_view characters) {
  while (!text.empty() && IsOneOf(LastCharacter(text), characters))
    text.remove_suffix(LastCharacter(text).size());
  return text;
}

std::vector<std::string> SplitText(std::string_view text, std::string_view separator, int64_t limit) {
  std::vector<std::string> parts;
  if (limit < 0) limit = kMaxParts;
  if (separator.empty()) {
    text = StripLeft(text, "");
    while (!text.empty() && static_cast<int64_t>(parts.size()) < limit) {
      size_t end = 0;
      while (end < text.size() && !IsOneOf(FirstCharacter(text.substr(end)), "")) {
        end += FirstCharacter(text.substr(end)).size();
      }
      parts.emplace_back(text.substr(0, end));
      text = StripLeft(text.substr(end), "");
    }
    if (!text.empty()) parts.emplace_back(text);
    return parts;
  }
  while (static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = text.find(separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at + separator.size());
  }
  parts.emplace_back(text);
  return parts;
}

std::vector<std::string> SplitTextFromRight(std::string_view text, std::string_view separator,
                                            int64_t limit) {
  std::vector<std::string> parts;
  if (limit < 0) limit = kMaxParts;
  if (separator.empty()) text = StripRight(text, "");
  while (!text.empty() && static_cast<int64_t>(parts.size()) < limit) {
    if (separator.empty()) {
      size_t begin = text.size();
      while (begin > 0 && !IsOneOf(LastCharacter(text.substr(0, begin)), "")) {
        begin -= LastCharacter(text.substr(0, begin)).size();
      }
      parts.emplace_back(text.substr(begin));
      text = StripRight(text.substr(0, begin), "");
      continue;
    }
    const size_t at = text.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.emplace_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
    if (text.empty()) {
      parts.emplace_back();
      break;
    }
  }
  if (!text.empty()) {
    parts.emplace_back(text);
  } else if (!separator.empty() && parts.empty()) {
    parts.emplace_back();
  }
  std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size() && lines.size() <= kMaxParts;) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    size_t next = at + c.size;
    if (IsLineEnd(c.code)) {
      if (c.code == '\r' && next < text.size() && text[next] == '\n') ++next;
      lines.emplace_back(text.substr(begin, (keep_ends ? next : at) - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.emplace_back(text.substr(begin));
  return lines;
}

bool ReplaceText(std::string_view text, std::string_view from, std::string_view to, int64_t limit,
                 size_t max_bytes, std::string* out) {
  int64_t done = 0;
  size_t at = 0;
  while (limit < 0 || done < limit) {
    const size_t found = from.empty() ? at : text.find(from, at);
    if (found == std::string_view::npos) break;
    out->append(text.substr(at, found - at)).append(to);
    at = found + from.size();
    ++done;
    if (from.empty()) {  // matches between all characters and at both ends
      if (at >= text.size()) return out->size() <= max_bytes;
      const size_t size = FirstCharacter(text.substr(at)).size();
      out->append(text.substr(at, size));
      at += size;
    }
    if (out->size() > max_bytes) return false;
  }
  out->append(text.substr(at));
  return out->size() <= max_bytes;
}

std::string Upper(std::string_view text) {
  return MapCase(text, [](char32_t) { return Case::kUpper; });
}

std::string Lower(std::string_view text) {
  return MapCase(text, [](char32_t) { return Case::kLower; });
}

std::string Capitalize(std::string_view text) {
  bool first = true;
  return MapCase(text, [&](char32_t) { return std::exchange(first, false) ? Case::kTitle : Case::kLower; });
}

std::string TitleMethod(std::string_view text) {
  bool in_word = false;
  return MapCase(text, [&](char32_t code) {
    const bool in = std::exchange(in_word, IsCased(code));
    return in ? Case::kLower : Case::kTitle;
  });
}

std::string TitleFilter(std::string_view text) {
  bool first = true;
  return MapCase(text, [&](char32_t code) {
    const bool separator =
        IsPythonSpace(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<';
    return std::exchange(first, separator) ? Case::kUpper : Case::kLower;
  });
}

bool AllCharacters(std::string_view text, bool (*predicate)(char32_t)) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    if (!predicate(c.code)) return false;
    at += c.size;
  }
  return !text.empty();
}

bool IsAsciiNumber(std::string_view text) { return !text.empty() && std::ranges::all_of(text, IsAsciiDigit); }

bool IsAlphabetic(char32_t code) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDecimal(char32_t code) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code)) == UTF8PROC_CATEGORY_ND;
}

// Returns whether it is a decimal digit, or a digit of a superscript or the like (Numeric_Type=Digit).
bool IsDigit(char32_t code) {
  const auto in = [&](char32_t low, char32_t high) { return code >= low && code <= high; };
  return IsDecimal(code) || in(0xB2, 0xB3) || code == 0xB9 || code == 0x2070 || in(0x2074, 0x2079) ||
         in(0x2080, 0x2089) || in(0x2460, 0x2468) || in(0x2474, 0x247C) || in(0x2488, 0x2490) ||
         code == 0x24EA || in(0x24F5, 0x24FD) || code == 0x24FF || in(0x2776, 0x277E) || in(0x2780, 0x2788) ||
         in(0x278A, 0x2792);
}

bool IsPrintable(char32_t code) {
  if (code == ' ') return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
  return category != UTF8PROC_CATEGORY_CN && category < UTF8PROC_CATEGORY_ZS;
}

std::string SwapCase(std::string_view text) {
  return MapCase(text, [](char32_t code) {
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(code));
    return category == UTF8PROC_CATEGORY_LU ? Case::kLower : Case::kUpper;
  });
}

std::string FoldCase(std::string_view text) {
  utf8proc_uint8_t* folded = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &folded, UTF8PROC_CASEFOLD);
  if (size < 0) return std::string(text);
  std::string out(reinterpret_cast<const char*>(folded), static_cast<size_t>(size));
  std::free(folded);  // NOLINT: utf8proc_map uses malloc
  return out;
}

bool IsInCase(std::string_view text, bool upper) {
  bool cased = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c.code));
    const auto other = upper ? UTF8PROC_CATEGORY_LL : UTF8PROC_CATEGORY_LU;
    if (category == other || category == UTF8PROC_CATEGORY_LT) return false;
    cased = cased || IsCased(c.code);
    at += c.size;
  }
  return cased;
}

bool IsTitle(std::string_view text) {
  bool in_word = false;
  bool cased = false;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c.code));
    if (IsCased(c.code) && in_word != (category == UTF8PROC_CATEGORY_LL)) return false;
    in_word = IsCased(c.code);
    cased = cased || in_word;
    at += c.size;
  }
  return cased;
}

bool IsIdentifier(std::string_view text) {
  if (text.empty() || IsDecimal(DecodeUtf8(text).code)) return false;
  return AllCharacters(text, [](char32_t c) { return IsWord(c); });
}

}  // namespace exeunt::text::jinja
