// A digest of a row of logits. It shows whether two runs differ in a bit.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace exeunt::worker {

// FNV-1a over the values' F32 bits.
inline uint64_t LogitsDigest(std::span<const float> logits) {
  uint64_t hash = 0xCBF29CE484222325U;
  for (float x : logits) {
    uint32_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    hash = (hash ^ bits) * 0x100000001B3U;
  }
  return hash;
}

}  // namespace exeunt::worker
