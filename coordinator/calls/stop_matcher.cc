#include "coordinator/calls/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace exeunt::coordinator {

// Returns the length of the longest stop string at the end of the held text, or 0.
size_t StopMatcher::EndsWithStop() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    if (held_.ends_with(stop)) longest = std::max(longest, stop.size());
  }
  return longest;
}

// Returns the length of the longest suffix of the held text that begins a stop string.
size_t StopMatcher::HeldSuffix() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
      if (held_.ends_with(std::string_view(stop).substr(0, n))) longest = n;
    }
  }
  return longest;
}

std::string StopMatcher::Push(std::string_view text) {
  if (stopped_) return "";
  if (stops_.empty()) return std::string(text);
  std::string shown;
  for (const char byte : text) {
    held_ += byte;
    if (const size_t match = EndsWithStop(); match > 0) {
      stopped_ = true;
      shown.append(held_, 0, held_.size() - (show_stop_ ? 0 : match));
      held_.clear();
      return shown;
    }
    const size_t keep = HeldSuffix();
    shown.append(held_, 0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
  }
  return shown;
}

std::string StopMatcher::Finish() { return std::exchange(held_, ""); }

}  // namespace exeunt::coordinator
