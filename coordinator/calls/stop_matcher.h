// StopMatcher finds stop strings in a text that arrives in pieces. It releases no part of a possible stop
// string early.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace exeunt::coordinator {

// Not thread-safe. The earliest end matches, then the longest string, so that the result does not depend on
// the pieces. It holds back at most the length of the longest stop string.
class StopMatcher {
 public:
  // With show_stop the text ends with the string that stops it. Otherwise nothing of that string is shown.
  explicit StopMatcher(std::vector<std::string> stops, bool show_stop = false)
      : stops_(std::move(stops)), show_stop_(show_stop) {}

  // Returns text that may be shown, because it cannot become part of a stop string. Returns nothing after
  // stopped().
  std::string Push(std::string_view text);
  // Ends the text and returns what was held back.
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
