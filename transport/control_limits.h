// Limits of the size of control messages.
#pragma once

#include <cstddef>

namespace exeunt::transport {

// The largest message. A larger one ends the connection, because no length from the wire is trusted.
inline constexpr size_t kMaxControlMessageBytes = size_t{16} << 20;
// The longest prompt in a message. A token has at most 5 bytes, so that there is room for the rest of the
// sequence.
inline constexpr size_t kMaxPromptTokens = size_t{3} << 20;

}  // namespace exeunt::transport
