#include "text/charsmap.h"

#include <utf8proc.h>

#include "base/error.h"
#include "text/utf8.h"

namespace exeunt::text {
namespace {

constexpr size_t kMaxReplacementBytes = 128;  // the longest of Unicode's own rules has 33
constexpr size_t kLongestWholeGrapheme =
    6;  // bytes, exclusive: longer grapheme clusters go character by character

// Bits of a unit of the double array (darts-clone). Bit 8 says that a leaf follows, bit 31 that this is a
// leaf. Bits 0-7 are the label. Bits 10-30 are the offset, shifted by 8 more if bit 9 is set.
bool HasLeaf(uint32_t unit) { return ((unit >> 8) & 1U) == 1; }
uint32_t Value(uint32_t unit) { return unit & 0x7FFFFFFFU; }
uint32_t Label(uint32_t unit) { return unit & 0x800000FFU; }
uint32_t Offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200U) >> 6); }

uint32_t LoadU32(const char* bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = (value << 8) | static_cast<uint8_t>(bytes[i]);
  return value;
}

// Returns the bytes of the grapheme cluster at the start of `text`.
size_t GraphemeSize(std::string_view text) {
  utf8proc_int32_t state = 0;
  Utf8Char previous = DecodeUtf8(text);
  size_t at = previous.size;
  while (at < text.size()) {
    const Utf8Char next = DecodeUtf8(text.substr(at));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous.code),
                                         static_cast<utf8proc_int32_t>(next.code), &state) != 0) {
      break;
    }
    at += next.size;
    previous = next;
  }
  return at;
}

}  // namespace

Result<Charsmap> Charsmap::Parse(std::string_view blob) {
  if (blob.size() < 4) return DataLoss("precompiled_charsmap of {} bytes: too short", blob.size());
  const uint32_t trie_bytes = LoadU32(blob.data());
  if (trie_bytes % 4 != 0 || trie_bytes == 0 || trie_bytes > blob.size() - 4) {
    return DataLoss("precompiled_charsmap: trie of {} bytes in {} bytes", trie_bytes, blob.size());
  }
  Charsmap map;
  map.units_.resize(trie_bytes / 4);
  for (size_t i = 0; i < map.units_.size(); ++i) map.units_[i] = LoadU32(blob.data() + 4 + 4 * i);
  map.pool_ = blob.substr(4 + trie_bytes);
  // Replacements may start at any byte of the pool's characters. Each is therefore checked where it is found.
  return map;
}

std::optional<std::string_view> Charsmap::Find(std::string_view text) const {
  uint32_t node = Offset(units_[0]);
  for (const char c : text) {
    if (c == '\0') return std::nullopt;
    node ^= static_cast<uint8_t>(c);
    if (node >= units_.size() || Label(units_[node]) != static_cast<uint8_t>(c)) return std::nullopt;
    const uint32_t unit = units_[node];
    node ^= Offset(unit);
    if (!HasLeaf(unit)) continue;
    if (node >= units_.size()) return std::nullopt;
    const uint32_t begin = Value(units_[node]);
    if (begin >= pool_.size()) return std::nullopt;
    const std::string_view rest = std::string_view(pool_).substr(begin);
    const std::string_view replacement = rest.substr(0, rest.find('\0'));
    const bool usable = replacement.size() <= kMaxReplacementBytes && IsWellFormed(replacement);
    return usable ? std::optional(replacement) : std::nullopt;
  }
  return std::nullopt;
}

std::string Charsmap::Normalize(std::string_view text) const {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view grapheme = text.substr(0, GraphemeSize(text));
    text.remove_prefix(grapheme.size());
    if (grapheme.size() < kLongestWholeGrapheme) {
      if (const auto replacement = Find(grapheme)) {
        out.append(*replacement);
        continue;
      }
    }
    for (size_t at = 0; at < grapheme.size();) {
      const std::string_view character = grapheme.substr(at, DecodeUtf8(grapheme.substr(at)).size);
      out.append(Find(character).value_or(character));
      at += character.size();
    }
  }
  return out;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  int n_bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    uint32_t digit = 0;
    if (c >= 'A' && c <= 'Z') {
      digit = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      digit = static_cast<uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      digit = c == '+' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = (bits << 6) | digit;
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      out.push_back(static_cast<char>((bits >> n_bits) & 0xFFU));
    }
  }
  return out;
}

}  // namespace exeunt::text
