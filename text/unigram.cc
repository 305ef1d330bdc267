#include "text/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr double kUnknownPenalty = 10.0;  // SentencePiece's kUnkPenalty
constexpr size_t kMaxTrieNodes = size_t{1} << 27;
constexpr size_t kMaxTokenBytes = 1024;  // bounds the work at each character

}  // namespace

Result<std::unique_ptr<Unigram>> Unigram::Make(std::shared_ptr<const Vocabulary> vocabulary,
                                               std::vector<double> scores, int32_t unknown,
                                               bool byte_fallback) {
  if (scores.size() != static_cast<size_t>(vocabulary->size())) {
    return DataLoss("{} scores for {} tokens", scores.size(), vocabulary->size());
  }
  if (unknown < 0 || unknown >= vocabulary->size()) {
    return DataLoss("unk_id {} is not in the vocabulary of {} tokens", unknown, vocabulary->size());
  }
  std::unique_ptr<Unigram> model(new Unigram());
  double lowest = std::numeric_limits<double>::infinity();
  for (size_t id = 0; id < scores.size(); ++id) {
    if (!std::isfinite(scores[id])) return DataLoss("score of token {} is not finite", id);
    lowest = std::min(lowest, scores[id]);
  }
  if (byte_fallback) model->byte_tokens_ = vocabulary->ByteTokens();
  model->vocabulary_ = std::move(vocabulary);
  model->scores_ = std::move(scores);
  model->unknown_ = unknown;
  model->unknown_score_ = lowest - kUnknownPenalty;
  RETURN_IF_ERROR(model->BuildTrie());
  return model;
}

Status Unigram::BuildTrie() {
  token_at_.push_back(-1);
  for (int32_t id = 0; id < vocabulary_->size(); ++id) {
    const std::string& text = vocabulary_->Text(id);
    if (text.empty() || vocabulary_->Find(text) != id) continue;
    if (text.size() > kMaxTokenBytes) {
      return InvalidArgument("token {} has {} bytes: at most {}", id, text.size(), kMaxTokenBytes);
    }
    uint32_t node = 0;
    for (const char c : text) {
      const uint64_t key = (uint64_t{node} << 8) | static_cast<uint8_t>(c);
      const auto [it, added] = edges_.try_emplace(key, static_cast<uint32_t>(token_at_.size()));
      if (added) token_at_.push_back(-1);
      node = it->second;
    }
    if (token_at_.size() > kMaxTrieNodes)
      return ResourceExhausted("vocabulary: more than {} bytes", kMaxTrieNodes);
    token_at_[node] = id;
  }
  return OkStatus();
}

void Unigram::AppendUnknown(std::string_view text, std::vector<int32_t>* ids) const {
  const int32_t whole = vocabulary_->Find(text);
  if (whole >= 0) {
    ids->push_back(whole);
    return;
  }
  const auto byte_token = [&](char byte) { return byte_tokens_[static_cast<uint8_t>(byte)]; };
  if (!byte_tokens_.empty() && std::ranges::all_of(text, [&](char b) { return byte_token(b) >= 0; })) {
    for (const char byte : text) ids->push_back(byte_token(byte));
    return;
  }
  ids->push_back(unknown_);
}

void Unigram::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  std::vector<Step> best(piece.size() + 1);  // best[i]: best split of the first i bytes
  const auto offer = [&](size_t from, size_t to, int32_t id, double score) {
    const double total = best[from].score + score;
    if (best[to].from < 0 || total > best[to].score) best[to] = {total, id, static_cast<int64_t>(from)};
  };
  for (size_t at = 0; at < piece.size();) {
    const size_t character = DecodeUtf8(piece.substr(at)).size;
    bool single = false;
    uint32_t node = 0;
    for (size_t end = at; end < piece.size();) {
      const auto it = edges_.find((uint64_t{node} << 8) | static_cast<uint8_t>(piece[end]));
      if (it == edges_.end()) break;
      node = it->second;
      ++end;
      const int32_t id = token_at_[node];
      if (id < 0) continue;
      offer(at, end, id, scores_[static_cast<size_t>(id)]);
      single = single || end - at == character;
    }
    if (!single) offer(at, at + character, unknown_, unknown_score_);
    at += character;
  }
  std::vector<size_t> ends;  // ends of the steps, last first
  for (auto at = static_cast<int64_t>(piece.size()); at > 0; at = best[static_cast<size_t>(at)].from) {
    ends.push_back(static_cast<size_t>(at));
  }
  std::ranges::reverse(ends);
  size_t unknown_begin = 0;
  size_t begin = 0;
  for (const size_t end : ends) {
    if (best[end].id != unknown_) {
      if (unknown_begin < begin) AppendUnknown(piece.substr(unknown_begin, begin - unknown_begin), ids);
      ids->push_back(best[end].id);
      unknown_begin = end;
    }
    begin = end;
  }
  if (unknown_begin < piece.size()) AppendUnknown(piece.substr(unknown_begin), ids);
}

}  // namespace exeunt::text
