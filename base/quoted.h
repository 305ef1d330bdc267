// Formats a name that comes from a file for an error message. The result is quoted, printable and not too
// long.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace exeunt {

inline std::string Quoted(std::string_view text) {
  constexpr size_t kMaxShown = 80;
  std::string quoted = "'";
  for (const char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7F || c == '\'' || c == '\\') {
      quoted += fmt::format("\\x{:02x}", byte);
    } else {
      quoted += c;
    }
  }
  quoted += text.size() > kMaxShown ? "...'" : "'";
  return quoted;
}

// Returns a list such as "'a', 'b' and 3 more" that is not too long.
inline std::string QuotedList(const std::vector<std::string>& names) {
  constexpr size_t kMaxShown = 20;
  std::string list;
  for (size_t i = 0; i < std::min(names.size(), kMaxShown); ++i)
    list += (i == 0 ? "" : ", ") + Quoted(names[i]);
  if (names.size() > kMaxShown) list += fmt::format(" and {} more", names.size() - kMaxShown);
  return list;
}

}  // namespace exeunt
