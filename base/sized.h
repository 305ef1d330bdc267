// Buffers that grow to the largest batch and are kept.
#pragma once

#include <cstddef>
#include <vector>

namespace exeunt {

inline size_t Size(int n) { return static_cast<size_t>(n); }

// At least n elements; what was there stays.
template <typename T>
T* Sized(std::vector<T>* v, size_t n) {
  if (v->size() < n) v->resize(n);
  return v->data();
}

}  // namespace exeunt
