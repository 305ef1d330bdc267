// StopMatcher: finds stop strings in a text that arrives in pieces, and lets no part of one out before it
// knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace exeunt::coordinator {

// Not thread-safe. Matching is by the earliest end, then the longest string, so it does not depend on how the
// text is cut. Holds back at most the length of the longest stop string.
class StopMatcher {
 public:
  // show_stop: the string that stops the text is its end; else nothing of it is shown.
  explicit StopMatcher(std::vector<std::string> stops, bool show_stop = false)
      : stops_(std::move(stops)), show_stop_(show_stop) {}

  // Text that may be shown: none of it can become part of a stop string. Nothing more once stopped().
  std::string Push(std::string_view text);
  // No more text comes: what was held back.
  std::string Finish();
  bool stopped() const { return stopped_; }

 private:
  size_t EndsWithStop() const;
  size_t HeldSuffix() const;

  std::vector<std::string> stops_;
  bool show_stop_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace exeunt::coordinator
