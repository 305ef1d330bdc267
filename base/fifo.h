// Fifo is a queue in one contiguous block of memory. It keeps its memory, so that it allocates nothing once
// it has reached its largest size. Its iterators are those of a vector. Not thread-safe.
#pragma once

#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace exeunt {

template <typename T>
class Fifo {
 public:
  bool empty() const { return head_ == items_.size(); }
  size_t size() const { return items_.size() - head_; }
  T& front() { return items_[head_]; }
  const T& front() const { return items_[head_]; }
  auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  auto end() const { return items_.end(); }

  void push_back(T item) {
    // Reuse the places of taken items once they are half of all places. An item is then moved at most once,
    // on average.
    if (items_.size() == items_.capacity() && 2 * head_ >= items_.size()) {
      items_.erase(items_.begin(), begin());
      head_ = 0;
    }
    items_.push_back(std::move(item));
  }
  // The queue must not be empty.
  T Take() {
    T item = std::move(items_[head_++]);
    if (empty()) {
      items_.clear();
      head_ = 0;
    }
    return item;
  }
  // Removes the items for which the predicate returns true. The predicate is called once for each item, in
  // order, and may move from the items that it removes.
  template <typename Predicate>
  void RemoveIf(Predicate predicate) {
    auto kept = begin();
    for (auto it = begin(); it != end(); ++it) {
      if (predicate(*it)) continue;
      if (kept != it) *kept = std::move(*it);
      ++kept;
    }
    items_.erase(kept, end());
  }

 private:
  std::vector<T> items_;
  size_t head_ = 0;  // index of the first item that was not taken
};

}  // namespace exeunt
