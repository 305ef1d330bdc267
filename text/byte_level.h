// GPT-2's mapping between bytes and printable characters. '!' to '~' and the printable part of Latin-1 stand
// for themselves. All other bytes, in ascending order, are U+0100, U+0101, ...
#pragma once

#include <string>
#include <string_view>

namespace exeunt::text {

// Appends the characters of the bytes.
void AppendByteLevel(std::string_view bytes, std::string* out);

// Appends the bytes of the characters. Returns false and appends nothing if a character stands for no byte.
bool AppendBytesOfByteLevel(std::string_view text, std::string* out);

}  // namespace exeunt::text
