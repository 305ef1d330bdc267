// Buffers that grow to the size of the largest batch and keep their memory.
#pragma once

#include <cstddef>
#include <vector>

namespace exeunt {

inline size_t Size(int n) { return static_cast<size_t>(n); }

// Grows the vector to at least n elements. Its contents stay.
template <typename T>
T* Sized(std::vector<T>* v, size_t n) {
  if (v->size() < n) v->resize(n);
  return v->data();
}

}  // namespace exeunt
