// Shared code of the tests of the kernels.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/ops.h"

namespace exeunt::cpu {

inline std::vector<float> RandomFloats(size_t n, uint32_t seed, float scale = 1.0F) {
  std::mt19937 rng(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> v(n);
  for (float& x : v) x = normal(rng);
  return v;
}

// A test for each instruction set that this CPU can run.
class EveryIsa : public testing::TestWithParam<Isa> {
 protected:
  const Ops& ops() { return OpsFor(GetParam()); }
};

inline std::string NameOfIsa(const testing::TestParamInfo<Isa>& param) {
  return std::string(IsaName(param.param));
}

}  // namespace exeunt::cpu
