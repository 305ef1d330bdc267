// SymbolList is a piece of text as a doubly linked list of symbols that are merged pairwise. Both kinds of
// BPE use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace exeunt::text {

struct Symbol {
  int32_t id = -1;
  int32_t previous = -1;
  int32_t next = -1;
  uint32_t begin = 0;  // byte offset in the piece
  uint32_t size = 0;   // bytes; 0: merged into the symbol before it
};

class SymbolList {
 public:
  void Add(int32_t id, uint32_t begin, uint32_t size) {
    const auto at = static_cast<int32_t>(symbols_.size());
    if (at > 0) symbols_.back().next = at;
    symbols_.push_back({id, at - 1, -1, begin, size});
  }
  // Merges the symbol after `at` into it.
  void MergeWithNext(int32_t at, int32_t id) {
    Symbol& left = (*this)[at];
    Symbol& right = (*this)[left.next];
    left.id = id;
    left.size += right.size;
    left.next = right.next;
    right.size = 0;
    if (left.next >= 0) (*this)[left.next].previous = at;
  }
  int32_t size() const { return static_cast<int32_t>(symbols_.size()); }
  Symbol& operator[](int32_t at) { return symbols_[static_cast<size_t>(at)]; }
  const Symbol& operator[](int32_t at) const { return symbols_[static_cast<size_t>(at)]; }

 private:
  std::vector<Symbol> symbols_;
};

}  // namespace exeunt::text
