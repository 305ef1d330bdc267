// Spares: buffers that were used and are kept for their memory.
#pragma once

#include <utility>
#include <vector>

namespace exeunt {

// The last one, as it was given back; a new one where there is none.
template <typename T>
T TakeSpare(std::vector<T>* spares) {
  if (spares->empty()) return {};
  T spare = std::move(spares->back());
  spares->pop_back();
  return spare;
}

}  // namespace exeunt
