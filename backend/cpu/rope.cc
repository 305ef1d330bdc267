#include "backend/cpu/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace exeunt {
namespace {

// Llama 3.1's scaling, as in its published code and in transformers' rope_utils. Long wavelengths are divided
// by `factor`, short ones are kept, and those between are blended.
double Llama3Frequency(double frequency, const RopeScaling& s) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double original = s.original_context;
  if (wavelength > original / s.low_freq_factor) return frequency / s.factor;
  if (wavelength < original / s.high_freq_factor) return frequency;
  const double low = s.low_freq_factor;
  const double smooth = (original / wavelength - low) / (double{s.high_freq_factor} - low);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

// YaRN (Peng et al. 2023, arXiv 2309.00071, section 3.2). A pair that rotates fewer than beta_slow times over
// the original context is interpolated by `factor`. A pair that rotates more than beta_fast times is kept.
// Those between are blended.
double YarnFrequency(double frequency, int pair, int dim, double theta, const RopeScaling& s) {
  const auto pair_of_rotations = [&](double rotations) {
    return dim * std::log(s.original_context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = pair_of_rotations(s.beta_fast);
  double high = pair_of_rotations(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  const double ramp = std::clamp((pair - low) / (high - low), 0.0, 1.0);
  const double interpolated = 1 - (1 - ramp) * double{s.extrapolation_factor};
  return frequency / s.factor * interpolated + frequency * (1 - interpolated);
}

}  // namespace

Rope::Rope(const ModelConfig& config) {
  const int pairs = config.head_dim / 2;
  const RopeScaling& s = config.rope_scaling;
  for (int i = 0; i < pairs; ++i) {
    double f = std::pow(double{config.rope_theta}, -2.0 * i / config.head_dim);
    switch (s.kind) {
      case RopeScalingKind::kNone:
        break;
      case RopeScalingKind::kLinear:
        f /= s.factor;
        break;
      case RopeScalingKind::kLlama3:
        f = Llama3Frequency(f, s);
        break;
      case RopeScalingKind::kYarn:
        f = YarnFrequency(f, i, config.head_dim, config.rope_theta, s);
        break;
    }
    if (!config.rope_freq_factors.empty()) f /= config.rope_freq_factors[static_cast<size_t>(i)];
    frequency_.push_back(f);
  }
  if (s.kind == RopeScalingKind::kYarn) {
    magnitude_ = s.attention_factor > 0 ? double{s.attention_factor} : 0.1 * std::log(double{s.factor}) + 1.0;
  }
}

void Rope::At(int position, float* cos, float* sin) const {
  for (size_t i = 0; i < frequency_.size(); ++i) {
    const double angle = position * frequency_[i];
    cos[i] = static_cast<float>(std::cos(angle) * magnitude_);
    sin[i] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace exeunt
