#include "text/sentencepiece_bpe.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include "base/error.h"
#include "text/symbol_list.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

struct Candidate {
  float score;
  int32_t at;     // left symbol of the pair
  uint32_t size;  // bytes of the pair, to see whether a symbol has changed since
  int32_t id;
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.score < b.score || (a.score == b.score && a.at > b.at);
  }
};

}  // namespace

Result<std::unique_ptr<SentencePieceBpe>> SentencePieceBpe::Make(std::shared_ptr<const Vocabulary> vocabulary,
                                                                 std::vector<float> scores,
                                                                 std::vector<bool> mergeable,
                                                                 int32_t unknown) {
  const auto size = static_cast<size_t>(vocabulary->size());
  if (scores.size() != size || mergeable.size() != size) {
    return DataLoss("{} scores and {} kinds for {} tokens", scores.size(), mergeable.size(), size);
  }
  std::unique_ptr<SentencePieceBpe> model(new SentencePieceBpe());
  for (size_t id = 0; id < size; ++id) {
    if (std::isnan(scores[id])) return DataLoss("score of token {} is not a number", id);
    model->longest_bytes_ =
        std::max(model->longest_bytes_, vocabulary->Text(static_cast<int32_t>(id)).size());
  }
  model->byte_tokens_ = vocabulary->ByteTokens();
  model->vocabulary_ = std::move(vocabulary);
  model->scores_ = std::move(scores);
  model->mergeable_ = std::move(mergeable);
  model->unknown_ = unknown;
  return model;
}

int32_t SentencePieceBpe::FindMergeable(std::string_view text) const {
  if (text.size() > longest_bytes_) return -1;
  const int32_t id = vocabulary_->Find(text);
  return id >= 0 && mergeable_[static_cast<size_t>(id)] ? id : -1;
}

void SentencePieceBpe::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  SymbolList symbols;
  for (uint32_t at = 0; at < piece.size();) {
    const uint32_t size = DecodeUtf8(piece.substr(at)).size;
    symbols.Add(FindMergeable(piece.substr(at, size)), at, size);
    at += size;
  }
  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].next < 0) return;
    const uint32_t size = symbols[left].size + symbols[symbols[left].next].size;
    const int32_t id = FindMergeable(piece.substr(symbols[left].begin, size));
    if (id >= 0) queue.push({scores_[static_cast<size_t>(id)], left, size, id});
  };
  for (int32_t i = 0; i < symbols.size(); ++i) consider(i);
  while (!queue.empty()) {
    const Candidate top = queue.top();
    queue.pop();
    const Symbol& left = symbols[top.at];
    if (left.size == 0 || left.next < 0 || left.size + symbols[left.next].size != top.size) continue;
    symbols.MergeWithNext(top.at, top.id);
    consider(left.previous);
    consider(top.at);
  }
  for (int32_t i = 0; i < symbols.size(); ++i) {
    const Symbol& symbol = symbols[i];
    if (symbol.size == 0) continue;
    if (symbol.id >= 0) {
      ids->push_back(symbol.id);
      continue;
    }
    for (const char byte : piece.substr(symbol.begin, symbol.size)) {
      const int32_t id = byte_tokens_[static_cast<uint8_t>(byte)];
      if (id >= 0 || unknown_ >= 0) ids->push_back(id >= 0 ? id : unknown_);
    }
  }
}

}  // namespace exeunt::text
