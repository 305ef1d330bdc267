#include "text/byte_level.h"

#include <array>
#include <cstdint>

#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr bool StandsForItself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Tables {
  std::array<uint16_t, 256> character{};  // character of each byte
  std::array<int16_t, 0x144> byte{};      // byte of each character; -1: none
};

constexpr Tables MakeTables() {
  Tables tables;
  for (auto& byte : tables.byte) byte = -1;
  uint16_t next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const auto character = StandsForItself(b) ? static_cast<uint16_t>(b) : next++;
    tables.character[b] = character;
    tables.byte[character] = static_cast<int16_t>(b);
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

void AppendByteLevel(std::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    const uint16_t code = kTables.character[static_cast<uint8_t>(c)];
    if (code < 0x80) {
      out->push_back(static_cast<char>(code));
    } else {
      out->push_back(static_cast<char>(0xC0 | (code >> 6)));
      out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
  }
}

bool AppendBytesOfByteLevel(std::string_view text, std::string* out) {
  const size_t before = out->size();
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = DecodeUtf8(text.substr(at));
    if (!c.valid || c.code >= kTables.byte.size() || kTables.byte[c.code] < 0) {
      out->resize(before);
      return false;
    }
    out->push_back(static_cast<char>(kTables.byte[c.code]));
    at += c.size;
  }
  return true;
}

}  // namespace exeunt::text
