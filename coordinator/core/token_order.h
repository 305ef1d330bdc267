// TokenOrder puts the token events of one sequence into order. Events of different stages overtake each
// other.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "coordinator/core/token_event.h"

namespace exeunt::coordinator {

// Not thread-safe. At most max_tokens events wait in it.
class TokenOrder {
 public:
  TokenOrder(uint32_t prompt_tokens, uint32_t max_tokens)
      : first_(prompt_tokens), end_(prompt_tokens + max_tokens), next_(prompt_tokens) {}

  // Takes an event and appends all contiguous events to `out`. Returns false if the event was dropped. Events
  // of another generation, outside the request's positions and duplicates are dropped.
  bool Push(TokenEvent event, std::vector<TokenEvent>* out);
  // The number of tokens that have come out so far.
  uint32_t delivered() const { return next_ - first_; }

 private:
  uint32_t first_;
  uint32_t end_;
  uint32_t next_;
  uint32_t generation_ = 0;
  std::map<uint32_t, TokenEvent> waiting_;  // by position
};

}  // namespace exeunt::coordinator
