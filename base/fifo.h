// Fifo: a queue in one run of memory, which it keeps: once it has held its most, it allocates no more.
// Iterators are those of a vector. Not thread-safe.
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
    // Taken places are used again once they are half of all: an item is moved at most once, on average.
    if (items_.size() == items_.capacity() && 2 * head_ >= items_.size()) {
      items_.erase(items_.begin(), begin());
      head_ = 0;
    }
    items_.push_back(std::move(item));
  }
  T Take() {  // of a queue that is not empty
    T item = std::move(items_[head_++]);
    if (empty()) {
      items_.clear();
      head_ = 0;
    }
    return item;
  }
  // Removes the items that the predicate, called once for each in order, says; it may move from those.
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
  size_t head_ = 0;  // those before it were taken
};

}  // namespace exeunt
