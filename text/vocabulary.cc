#include "text/vocabulary.h"

#include "base/error.h"

namespace exeunt::text {

Result<Vocabulary> Vocabulary::Make(std::vector<std::string> texts) {
  if (texts.size() > static_cast<size_t>(kMaxVocabulary)) {
    return InvalidArgument("vocabulary of {} tokens: at most {}", texts.size(), kMaxVocabulary);
  }
  Vocabulary vocabulary;
  vocabulary.texts_ = std::move(texts);
  vocabulary.ids_.reserve(vocabulary.texts_.size());
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    const std::string& text = vocabulary.Text(id);
    if (!text.empty()) vocabulary.ids_.insert_or_assign(text, id);
  }
  return vocabulary;
}

int32_t Vocabulary::Find(std::string_view text) const {
  const auto it = ids_.find(text);
  return it == ids_.end() ? -1 : it->second;
}

std::vector<int32_t> Vocabulary::ByteTokens() const {
  std::vector<int32_t> ids(256);
  for (int byte = 0; byte < 256; ++byte) {
    ids[static_cast<size_t>(byte)] = Find(fmt::format("<0x{:02X}>", byte));
  }
  return ids;
}

int ParseByteToken(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace exeunt::text
