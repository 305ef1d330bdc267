// Normal random matrices from a seed, for tests.
#pragma once

#include <random>

#include "fit/affine_map.h"

namespace exeunt::fit {

inline RowMajorMatrix RandomMatrix(int rows, int columns, uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal;
  RowMajorMatrix m(rows, columns);
  for (Eigen::Index i = 0; i < m.size(); ++i) m.data()[i] = normal(rng);
  return m;
}

}  // namespace exeunt::fit
