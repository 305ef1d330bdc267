#include "text/bpe.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "base/error.h"
#include "text/symbol_list.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

struct Candidate {
  int32_t rank;
  int32_t at;  // left symbol of the pair
  int32_t id;  // token of the joined pair
  friend bool operator>(const Candidate& a, const Candidate& b) {
    return std::tie(a.rank, a.at) > std::tie(b.rank, b.at);
  }
};

}  // namespace

class Bpe::Queue : public std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> {
 public:
  void reserve(size_t n) { c.reserve(n); }
};

Bpe::Bpe(std::shared_ptr<const Vocabulary> vocabulary, const BpeOptions& options)
    : vocabulary_(std::move(vocabulary)), options_(options) {
  if (options_.byte_fallback) byte_tokens_ = vocabulary_->ByteTokens();
  for (char32_t code = 0; code < small_ids_.size(); ++code) {
    std::string text;
    AppendUtf8(code, &text);
    small_ids_[code] = vocabulary_->Find(text);
  }
}

uint64_t Bpe::PairKey(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

Result<std::unique_ptr<Bpe>> Bpe::Make(std::shared_ptr<const Vocabulary> vocabulary,
                                       const std::vector<std::pair<std::string, std::string>>& merges,
                                       const BpeOptions& options) {
  std::unique_ptr<Bpe> bpe(new Bpe(std::move(vocabulary), options));
  bpe->merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string& left = merges[rank].first;
    const std::string& right = merges[rank].second;
    const auto id_of = [&](const std::string& text) -> Result<int32_t> {
      const int32_t id = bpe->vocabulary_->Find(text);
      if (id < 0)
        return DataLoss("merge {} ('{}' '{}'): token '{}' is not in the vocabulary", rank, left, right, text);
      return id;
    };
    ASSIGN_OR_RETURN(const int32_t left_id, id_of(left));
    ASSIGN_OR_RETURN(const int32_t right_id, id_of(right));
    ASSIGN_OR_RETURN(const int32_t id, id_of(left + right));
    bpe->merges_.insert_or_assign(PairKey(left_id, right_id), Merge{static_cast<int32_t>(rank), id});
  }
  return bpe;
}

int32_t Bpe::FindCharacter(char32_t code, std::string_view text) const {
  return code < small_ids_.size() ? small_ids_[code] : vocabulary_->Find(text);
}

void Bpe::SplitCharacters(std::string_view piece, SymbolList* symbols) const {
  // Unknown characters wait until the next known one. As in the `tokenizers` package, bytes do not end that
  // wait.
  uint32_t unknown_size = 0;
  const auto flush = [&](uint32_t at) {
    if (unknown_size > 0) symbols->Add(options_.unknown, at - unknown_size, unknown_size);
    unknown_size = 0;
  };
  for (uint32_t at = 0; at < piece.size();) {
    const Utf8Char c = DecodeUtf8(piece.substr(at));
    const std::string_view text = piece.substr(at, c.size);
    const int32_t id = FindCharacter(c.code, text);
    const auto byte_token = [&](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
    if (id >= 0) {
      flush(at);
      symbols->Add(id, at, c.size);
    } else if (!byte_tokens_.empty() &&
               std::ranges::all_of(text, [&](char b) { return byte_token(b) >= 0; })) {
      for (uint32_t i = 0; i < c.size; ++i) symbols->Add(byte_token(text[i]), at + i, 1);
    } else if (options_.unknown >= 0) {
      if (!options_.fuse_unknown) flush(at);
      unknown_size += c.size;
    }
    at += c.size;
  }
  flush(static_cast<uint32_t>(piece.size()));
}

void Bpe::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  if (options_.ignore_merges) {
    const int32_t id = vocabulary_->Find(piece);
    if (id >= 0) {
      ids->push_back(id);
      return;
    }
  }
  SymbolList symbols;
  SplitCharacters(piece, &symbols);
  Queue queue;
  queue.reserve(static_cast<size_t>(symbols.size()));
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    const auto it = merges_.find(PairKey(symbols[left].id, symbols[symbols[left].next].id));
    if (it != merges_.end()) queue.push({it->second.rank, left, it->second.id});
  };
  for (int32_t i = 0; i < symbols.size(); ++i) consider(i);
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    const Symbol& left = symbols[top.at];
    if (left.size == 0 || left.next < 0) continue;
    const auto it = merges_.find(PairKey(left.id, symbols[left.next].id));
    if (it == merges_.end() || it->second.id != top.id) continue;  // a symbol of the pair has changed since
    symbols.MergeWithNext(top.at, top.id);
    consider(left.previous);
    consider(top.at);
  }
  for (int32_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i].size > 0) ids->push_back(symbols[i].id);
  }
}

}  // namespace exeunt::text
