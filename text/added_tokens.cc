#include "text/added_tokens.h"

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kMaxTokens = 1 << 18;

// Returns the start of the last character of `text`, which must not be empty.
size_t LastCharacter(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0U) == 0x80U) --at;
  return at;
}

bool EndsWithWord(std::string_view text) {
  return !text.empty() && IsWord(DecodeUtf8(text.substr(LastCharacter(text))).code);
}

bool StartsWithWord(std::string_view text) { return !text.empty() && IsWord(DecodeUtf8(text).code); }

}  // namespace

Status AddedTokens::Add(AddedToken token) {
  if (token.text.empty() || token.text.size() > kMaxTokenBytes) {
    return InvalidArgument("added token {} has {} bytes: 1 to {}", token.id, token.text.size(),
                           kMaxTokenBytes);
  }
  if (tokens_.size() >= kMaxTokens) return InvalidArgument("more than {} added tokens", kMaxTokens);
  uint32_t node = 0;
  for (const char c : token.text) {
    const uint64_t key = (uint64_t{node} << 8) | static_cast<uint8_t>(c);
    const auto [it, added] = edges_.try_emplace(key, static_cast<uint32_t>(token_at_.size()));
    if (added) token_at_.push_back(-1);
    node = it->second;
  }
  first_byte_[static_cast<uint8_t>(token.text[0])] = true;
  token_at_[node] = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(std::move(token));
  return OkStatus();
}

const AddedToken* AddedTokens::LongestAt(std::string_view text) const {
  if (!first_byte_[static_cast<uint8_t>(text[0])]) return nullptr;
  const AddedToken* longest = nullptr;
  uint32_t node = 0;
  for (const char c : text) {
    const auto it = edges_.find((uint64_t{node} << 8) | static_cast<uint8_t>(c));
    if (it == edges_.end()) break;
    node = it->second;
    if (token_at_[node] >= 0) longest = &tokens_[static_cast<size_t>(token_at_[node])];
  }
  return longest;
}

void AddedTokens::Split(std::string_view text, bool parse_special, std::vector<Part>* parts) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = LongestAt(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    size_t begin = at;
    size_t end = at + token->text.size();
    at = end;
    if (token->special && !parse_special) continue;
    if (token->single_word && (EndsWithWord(text.substr(0, begin)) || StartsWithWord(text.substr(end))))
      continue;
    if (token->lstrip) {
      while (begin > done) {
        const size_t last = LastCharacter(text.substr(0, begin));
        if (last < done || !IsWhitespace(DecodeUtf8(text.substr(last)).code)) break;
        begin = last;
      }
      begin = std::max(begin, done);
    }
    if (token->rstrip) {
      while (end < text.size()) {
        const Utf8Char c = DecodeUtf8(text.substr(end));
        if (!IsWhitespace(c.code)) break;
        end += c.size;
      }
    }
    if (done < begin) parts->push_back({text.substr(done, begin - done), -1});
    parts->push_back({text.substr(begin, end - begin), token->id});
    done = end;
  }
  if (done < text.size()) parts->push_back({text.substr(done), -1});
}

}  // namespace exeunt::text
