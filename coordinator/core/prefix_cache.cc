#include "coordinator/core/prefix_cache.h"

#include <utility>

#include "base/check.h"

namespace exeunt::coordinator {

std::vector<int32_t> PrefixCache::Page(std::span<const int32_t> tokens, size_t index) const {
  const auto page = tokens.subspan(index * page_tokens_, page_tokens_);
  return {page.begin(), page.end()};
}

SharedPrefix PrefixCache::Find(std::span<const int32_t> prompt, uint32_t most) const {
  SharedPrefix match;
  const Node* node = &nodes_.at(kRoot);
  for (size_t page = 0; (page + 1) * page_tokens_ <= most; ++page) {
    const auto it = node->next.find(Page(prompt, page));
    if (it == node->next.end()) break;
    node = &nodes_.at(it->second);
    match = {*node->holders.rbegin(), static_cast<uint32_t>((page + 1) * page_tokens_)};
  }
  return match;
}

void PrefixCache::Link(uint64_t sequence, Holder* holder) {
  NodeId node = kRoot;
  for (size_t page = 0; page * page_tokens_ < holder->tokens.size(); ++page) {
    const auto [it, added] = nodes_.at(node).next.try_emplace(Page(holder->tokens, page), last_node_ + 1);
    if (added) nodes_.emplace(++last_node_, Node());
    node = it->second;
    nodes_.at(node).holders.insert(sequence);
  }
}

void PrefixCache::Unlink(uint64_t sequence, Holder* holder) {
  if (!std::exchange(holder->shared, false)) return;
  std::vector<NodeId> path = {kRoot};  // nodes from the root to the last page
  for (size_t page = 0; page * page_tokens_ < holder->tokens.size(); ++page) {
    path.push_back(nodes_.at(path.back()).next.at(Page(holder->tokens, page)));
  }
  for (size_t page = path.size() - 1; page-- > 0;) {
    const NodeId node = path[page + 1];
    std::set<uint64_t>& holders = nodes_.at(node).holders;
    holders.erase(sequence);
    if (!holders.empty()) continue;
    nodes_.erase(node);
    nodes_.at(path[page]).next.erase(Page(holder->tokens, page));
  }
}

void PrefixCache::Add(uint64_t sequence, std::vector<int32_t> tokens) {
  CHECK_EQ(tokens.size() % page_tokens_, 0U);
  CHECK(!tokens.empty());
  const auto [it, added] = holders_.emplace(sequence, Holder{.tokens = std::move(tokens), .used = ++uses_});
  CHECK_MSG(added, "sequence {} is a holder already", sequence);
  Link(sequence, &it->second);
}

void PrefixCache::Suspend(uint64_t sequence) {
  const auto it = holders_.find(sequence);
  if (it != holders_.end()) Unlink(sequence, &it->second);
}

void PrefixCache::Resume(uint64_t sequence) {
  const auto it = holders_.find(sequence);
  if (it != holders_.end() && !std::exchange(it->second.shared, true)) Link(sequence, &it->second);
}

void PrefixCache::Remove(uint64_t sequence) {
  const auto it = holders_.find(sequence);
  if (it == holders_.end()) return;
  Unlink(sequence, &it->second);
  if (it->second.evictable) by_use_.erase(it->second.used);
  holders_.erase(it);
}

void PrefixCache::MakeEvictable(uint64_t sequence) {
  const auto it = holders_.find(sequence);
  if (it == holders_.end() || std::exchange(it->second.evictable, true)) return;
  by_use_[it->second.used] = sequence;
}

void PrefixCache::Touch(uint64_t sequence) {
  Holder& holder = holders_.at(sequence);
  if (holder.evictable) by_use_.erase(holder.used);
  holder.used = ++uses_;
  if (holder.evictable) by_use_[holder.used] = sequence;
}

uint32_t PrefixCache::TokensOf(uint64_t sequence) const {
  const auto it = holders_.find(sequence);
  return it == holders_.end() ? 0 : static_cast<uint32_t>(it->second.tokens.size());
}

std::optional<uint64_t> PrefixCache::Oldest() const {
  if (by_use_.empty()) return std::nullopt;
  return by_use_.begin()->second;
}

}  // namespace exeunt::coordinator
