// Dice gives seeded random numbers for tests. They are the same on every machine.
#pragma once

#include <cstdint>
#include <random>

namespace exeunt {

class Dice {
 public:
  explicit Dice(uint32_t seed) : rng_(seed) {}
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(rng_() % n); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  std::mt19937 rng_;
};

}  // namespace exeunt
