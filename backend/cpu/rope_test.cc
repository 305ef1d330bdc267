// RoPE frequencies against values of transformers 4.46's rope_utils, written out by hand where they are
// exact.
#include "backend/cpu/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace exeunt {
namespace {

ModelConfig Config(int head_dim, float theta) {
  ModelConfig config;
  config.head_dim = head_dim;
  config.rope_theta = theta;
  return config;
}

// The angle of pair `i` at position 1.
double AngleOf(const ModelConfig& config, int i) {
  std::vector<float> c(static_cast<size_t>(config.head_dim / 2));
  std::vector<float> s(c.size());
  Rope(config).At(1, c.data(), s.data());
  return std::atan2(s[static_cast<size_t>(i)], c[static_cast<size_t>(i)]);
}

TEST(RopeTest, PlainFrequenciesArePowersOfTheta) {
  const ModelConfig config = Config(8, 10000.0F);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(AngleOf(config, i), std::pow(10.0, -i), 1e-6);
}

TEST(RopeTest, LinearScalingAndFactorsDivide) {
  ModelConfig config = Config(8, 10000.0F);
  config.rope_scaling = {.kind = RopeScalingKind::kLinear, .factor = 4.0F};
  EXPECT_NEAR(AngleOf(config, 0), 0.25, 1e-6);
  config.rope_scaling = {};
  config.rope_freq_factors = {2.0F, 1.0F, 1.0F, 1.0F};
  EXPECT_NEAR(AngleOf(config, 0), 0.5, 1e-6);
  EXPECT_NEAR(AngleOf(config, 1), 0.1, 1e-6);
}

TEST(RopeTest, Llama3KeepsShortWavelengthsAndDividesLongOnes) {
  ModelConfig config = Config(128, 500000.0F);
  config.rope_scaling = {.kind = RopeScalingKind::kLlama3, .factor = 8.0F, .original_context = 8192};
  const auto plain = [](int i) { return std::pow(500000.0, -2.0 * i / 128); };
  EXPECT_NEAR(AngleOf(config, 0), 1.0, 1e-6);
  // Wavelength 2 pi / f over 8192: divided by 8.
  EXPECT_NEAR(AngleOf(config, 63), plain(63) / 8, 1e-9);
  const double blended = AngleOf(config, 31);  // wavelength 3622: between 8192 / 4 and 8192
  EXPECT_LT(blended, plain(31));
  EXPECT_GT(blended, plain(31) / 8);
}

TEST(RopeTest, YarnBlendsByRotationsAndScalesTheMagnitude) {
  ModelConfig config = Config(64, 10000.0F);
  config.rope_scaling = {.kind = RopeScalingKind::kYarn, .factor = 4.0F, .original_context = 2048};
  EXPECT_NEAR(AngleOf(config, 0), 1.0, 1e-6);
  EXPECT_NEAR(AngleOf(config, 31), std::pow(10000.0, -62.0 / 64) / 4, 1e-9);
  std::vector<float> c(32);
  std::vector<float> s(32);
  Rope(config).At(5, c.data(), s.data());
  const double magnitude = 0.1 * std::log(4.0) + 1.0;  // arXiv 2309.00071, eq. 22
  for (size_t i = 0; i < 32; ++i) EXPECT_NEAR(std::hypot(c[i], s[i]), magnitude, 1e-6);
}

}  // namespace
}  // namespace exeunt
