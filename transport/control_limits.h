// How large a control message may be.
#pragma once

#include <cstddef>

namespace exeunt::transport {

// A message above this ends the connection: no length from the wire is trusted.
inline constexpr size_t kMaxControlMessageBytes = size_t{16} << 20;
// The longest prompt that a message takes, with room for the rest of its sequence: a token has at most 5
// bytes.
inline constexpr size_t kMaxPromptTokens = size_t{3} << 20;

}  // namespace exeunt::transport
