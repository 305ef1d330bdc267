// Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011). The value is a pure function of key and counter. A token is therefore drawn the same for every
// batch, stage count and number of replays.
#pragma once

#include <array>
#include <cstdint>

namespace exeunt {

using Philox4 = std::array<uint32_t, 4>;

constexpr Philox4 Philox(uint64_t key, Philox4 counter) {
  uint32_t k0 = static_cast<uint32_t>(key);
  uint32_t k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// The purpose of a draw. Two purposes at one position never see the same number.
enum class RngPurpose : uint32_t { kSample = 1, kForcedExit = 2, kAudit = 3 };

// Returns a uniform number in [0, 1), a multiple of 2^-24.
constexpr float UniformAt(uint64_t seed, uint32_t choice, uint32_t position, RngPurpose purpose) {
  const Philox4 r = Philox(seed, {position, choice, static_cast<uint32_t>(purpose), 0});
  return static_cast<float>(r[0] >> 8) * 0x1p-24F;
}

}  // namespace exeunt
