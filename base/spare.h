// Spares are used buffers that are kept for their memory.
#pragma once

#include <utility>
#include <vector>

namespace exeunt {

// Takes the last spare with its contents, or makes a new object if there is no spare.
template <typename T>
T TakeSpare(std::vector<T>* spares) {
  if (spares->empty()) return {};
  T spare = std::move(spares->back());
  spares->pop_back();
  return spare;
}

}  // namespace exeunt
