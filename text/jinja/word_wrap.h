// Python's textwrap.wrap, as Jinja's filter wordwrap calls it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace exeunt::text::jinja {

struct WrapOptions {
  int64_t width = 79;  // characters; at least 1
  bool break_long_words = true;
  bool break_on_hyphens = true;
};

// Returns the lines of one paragraph.
std::vector<std::string> WrapText(std::string_view text, const WrapOptions& options);

}  // namespace exeunt::text::jinja
