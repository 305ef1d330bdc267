// PrefixCache: which sequences of one pipeline hold the K/V of which prompts' beginnings, and in which order
// those that are over are to be evicted. It knows prompts, not pages: those are the ledger's (kv_ledger.h).
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

// Not thread-safe. Of one epoch: made anew for each. Memory: the prompts of the holders.
class PrefixCache {
 public:
  explicit PrefixCache(uint32_t page_tokens = 1) : page_tokens_(page_tokens) {}

  // The longest beginning of the prompt, of at most `most` tokens, that a holder has; of several holders the
  // newest.
  SharedPrefix Find(std::span<const int32_t> prompt, uint32_t most) const;

  // The sequence, which is no holder yet, holds these tokens, whole pages, from now on.
  void Add(uint64_t sequence, std::vector<int32_t> tokens);
  // It may not be shared: it was cancelled, and what it leaves behind is not known yet.
  void Suspend(uint64_t sequence);
  void Resume(uint64_t sequence);
  // It holds nothing (any more).
  void Remove(uint64_t sequence);
  // It is over, and what it holds may be evicted.
  void MakeEvictable(uint64_t sequence);
  // All that it holds has been of use again.
  void Touch(uint64_t sequence);
  // The evictable holder whose use is the longest ago; nullopt: none.
  std::optional<uint64_t> Oldest() const;

  // That it holds, shared or not; 0: it is no holder.
  uint32_t TokensOf(uint64_t sequence) const;

 private:
  using NodeId = uint64_t;
  static constexpr NodeId kRoot = 0;
  // A page of tokens behind those of the nodes above it. Nodes are not nested: a prompt may have a hundred
  // thousand pages, too many for a walk or a destructor that calls itself.
  struct Node {
    std::map<std::vector<int32_t>, NodeId> next;
    std::set<uint64_t> holders;
  };
  struct Holder {
    std::vector<int32_t> tokens;
    bool shared = true;
    uint64_t used = 0;  // when, in uses
    bool evictable = false;
  };
  std::vector<int32_t> Page(std::span<const int32_t> tokens, size_t index) const;
  void Link(uint64_t sequence, Holder* holder);
  void Unlink(uint64_t sequence, Holder* holder);

  size_t page_tokens_;
  std::unordered_map<NodeId, Node> nodes_ = {{kRoot, Node()}};
  NodeId last_node_ = kRoot;
  std::map<uint64_t, Holder> holders_;
  std::map<uint64_t, uint64_t> by_use_;  // the evictable ones: use -> sequence
  uint64_t uses_ = 0;
};

}  // namespace exeunt::coordinator
