// How a name that came out of a file stands in an error message: quoted, printable, and not too long.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

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

}  // namespace exeunt
