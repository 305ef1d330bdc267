#include "coordinator/core/token_order.h"

#include <utility>

namespace exeunt::coordinator {

bool TokenOrder::Push(TokenEvent event, std::vector<TokenEvent>* out) {
  const uint32_t position = event.position;
  if (event.generation != generation_ || position < next_ || position >= end_) return false;
  if (!waiting_.emplace(position, std::move(event)).second) return false;
  while (!waiting_.empty() && waiting_.begin()->first == next_) {
    out->push_back(std::move(waiting_.begin()->second));
    waiting_.erase(waiting_.begin());
    ++next_;
  }
  return true;
}

}  // namespace exeunt::coordinator
