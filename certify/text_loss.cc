#include "certify/text_loss.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace exeunt::certify {
namespace {

using Words = std::vector<std::string>;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsPunctuation(char c) { return c > ' ' && c < 127 && !IsAlphanumeric(Lower(c)); }
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Returns runs of characters for which `part` holds, at most kMaxLossWords.
template <typename Part>
Words Split(std::string_view text, Part part) {
  Words words;
  std::string word;
  for (const char c : text) {
    if (part(c)) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
      if (words.size() == kMaxLossWords) return words;
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

Words PlainWords(std::string_view text) {
  return Split(text, [](char c) { return !IsSpace(c); });
}

double F1(size_t common, size_t a, size_t b) {
  return common == 0 ? 0.0 : 2.0 * static_cast<double>(common) / static_cast<double>(a + b);
}

size_t CommonSubsequence(const Words& a, const Words& b) {
  std::vector<size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

size_t EditDistance(const Words& a, const Words& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (const std::string& word : a) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (word == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

double RougeL(std::string_view answer, std::string_view reference) {
  const Words a = Split(Lowered(answer), IsAlphanumeric);
  const Words b = Split(Lowered(reference), IsAlphanumeric);
  return 1.0 - F1(CommonSubsequence(a, b), a.size(), b.size());
}

Words SquadWords(std::string_view text) {
  std::string kept = Lowered(text);
  std::erase_if(kept, IsPunctuation);
  Words words = PlainWords(kept);
  std::erase_if(words, [](const std::string& w) { return w == "a" || w == "an" || w == "the"; });
  return words;
}

double TokenF1(std::string_view answer, std::string_view reference) {
  const Words a = SquadWords(answer);
  const Words b = SquadWords(reference);
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 0.0 : 1.0;
  std::map<std::string, int> bag;
  for (const std::string& word : b) ++bag[word];
  size_t common = 0;
  for (const std::string& word : a) common += bag[word]-- > 0 ? 1 : 0;
  return 1.0 - F1(common, a.size(), b.size());
}

std::string_view Stripped(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

double WordErrorRate(std::string_view answer, std::string_view reference) {
  const Words a = PlainWords(answer);
  const Words b = PlainWords(reference);
  if (b.empty()) return a.empty() ? 0.0 : 1.0;
  return std::min(1.0, static_cast<double>(EditDistance(a, b)) / static_cast<double>(b.size()));
}

}  // namespace

const char* TextLossName(TextLoss loss) { return kTextLossNames.at(static_cast<size_t>(loss)); }

std::optional<TextLoss> TextLossOf(std::string_view name) {
  const auto it = std::find(kTextLossNames.begin(), kTextLossNames.end(), name);
  if (it == kTextLossNames.end()) return std::nullopt;
  return static_cast<TextLoss>(it - kTextLossNames.begin());
}

double Loss(TextLoss loss, std::string_view answer, std::string_view reference) {
  switch (loss) {
    case TextLoss::kRougeL:
      return RougeL(answer, reference);
    case TextLoss::kTokenF1:
      return TokenF1(answer, reference);
    case TextLoss::kExactMatch:
      return Stripped(answer) == Stripped(reference) ? 0.0 : 1.0;
    case TextLoss::kWordErrorRate:
      return WordErrorRate(answer, reference);
  }
  return 1.0;
}

double TokenDisagreement(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 0.0;
  size_t differ = longer - std::min(a.size(), b.size());
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) differ += a[i] != b[i] ? 1 : 0;
  return static_cast<double>(differ) / static_cast<double>(longer);
}

}  // namespace exeunt::certify
