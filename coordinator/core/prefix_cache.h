// PrefixCache knows which sequences of one pipeline hold the K/V of which prompt prefixes. It also knows the
// order in which retained prefixes are evicted. It knows prompts and not pages, which the ledger has
// (kv_ledger.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "coordinator/core/types.h"

namespace exeunt::coordinator {

// Not thread-safe. It is made anew for each epoch. Its memory is that of the holders' prompts.
class PrefixCache {
 public:
  explicit PrefixCache(uint32_t page_tokens = 1) : page_tokens_(page_tokens) {}

  // Returns the longest prefix of the prompt, of at most `most` tokens, that a holder has. Of several holders
  // the newest is returned.
  SharedPrefix Find(std::span<const int32_t> prompt, uint32_t most) const;

  // The sequence holds these tokens, whole pages, from now on. It must not be a holder yet.
  void Add(uint64_t sequence, std::vector<int32_t> tokens);
  // Nobody may share the prefix, because its sequence was cancelled or has failed. It is not known yet what
  // is retained.
  void Suspend(uint64_t sequence);
  void Resume(uint64_t sequence);
  // The sequence holds nothing from now on.
  void Remove(uint64_t sequence);
  // The sequence is over. Its prefix may be evicted.
  void MakeEvictable(uint64_t sequence);
  // All of the prefix has been used again.
  void Touch(uint64_t sequence);
  // Returns the evictable holder whose last use is the oldest, or nullopt if there is none.
  std::optional<uint64_t> Oldest() const;

  // Returns the tokens that the sequence holds, shared or not, or 0 if it is no holder.
  uint32_t TokensOf(uint64_t sequence) const;

 private:
  using NodeId = uint64_t;
  static constexpr NodeId kRoot = 0;
  // A page of tokens that follows those of the nodes above it. Nodes are not nested, because a prompt may
  // have a hundred thousand pages. A recursive walk or destructor would overflow the stack.
  struct Node {
    std::map<std::vector<int32_t>, NodeId> next;
    std::set<uint64_t> holders;
  };
  struct Holder {
    std::vector<int32_t> tokens;
    bool shared = true;
    uint64_t used = 0;  // last use, counted in uses
    bool evictable = false;
  };
  std::vector<int32_t> Page(std::span<const int32_t> tokens, size_t index) const;
  void Link(uint64_t sequence, Holder* holder);
  void Unlink(uint64_t sequence, Holder* holder);

  size_t page_tokens_;
  std::unordered_map<NodeId, Node> nodes_ = {{kRoot, Node()}};
  NodeId last_node_ = kRoot;
  std::map<uint64_t, Holder> holders_;
  std::map<uint64_t, uint64_t> by_use_;  // evictable holders: use -> sequence
  uint64_t uses_ = 0;
};

}  // namespace exeunt::coordinator
