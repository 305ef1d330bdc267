#include "fit/kl_refinement.h"

#include <cmath>

namespace exeunt::fit {
namespace {

constexpr float kMeanDecay = 0.9F;
constexpr float kSquareDecay = 0.99F;  // short memory, because there are few passes
constexpr float kTiny = 1e-8F;

}  // namespace

KlRefinement::KlRefinement(AffineMap start, Eigen::VectorXf norm_weight, float norm_eps)
    : map_(std::move(start)),
      norm_weight_(norm_weight.transpose()),
      norm_eps_(norm_eps),
      mean_(RowMajorMatrix::Zero(map_.weight.rows(), map_.weight.cols() + 1)),
      square_(mean_) {}

// With s = 1 / sqrt(mean(y^2) + eps) and u = norm_weight * dz, the gradient is dy = s u - s^3 y (u.y) / d.
AffineMap KlRefinement::Gradient(const float* x, const RowMajorMatrix& dz) const {
  const auto rows = static_cast<int>(dz.rows());
  RowMajorMatrix dy = map_.Apply(x, rows);
  for (int r = 0; r < rows; ++r) {
    const Eigen::RowVectorXf y = dy.row(r);
    const Eigen::RowVectorXf u = dz.row(r).cwiseProduct(norm_weight_);
    const auto d = static_cast<float>(y.size());
    const float s = 1.0F / std::sqrt(y.squaredNorm() / d + norm_eps_);
    dy.row(r) = (s * u - (s * s * s * u.dot(y) / d) * y) / static_cast<float>(rows);
  }
  const Eigen::Map<const RowMajorMatrix> in(x, rows, map_.weight.cols());
  return {dy.transpose() * in, dy.colwise().sum().transpose()};
}

void KlRefinement::Step(const float* x, const RowMajorMatrix& dz, float rate) {
  const auto rows = static_cast<int>(dz.rows());
  const Eigen::Index d_in = map_.weight.cols();
  if (steps_++ == 0) {
    const Eigen::Map<const RowMajorMatrix> in(x, rows, d_in);
    input_ = Eigen::VectorXf::Ones(d_in + 1);
    input_.head(d_in) = (in.colwise().squaredNorm() / static_cast<float>(rows)).cwiseSqrt().cwiseMax(kTiny);
    output_ = std::sqrt(map_.Apply(x, rows).array().square().mean());
  }
  const AffineMap by_map = Gradient(x, dz);
  RowMajorMatrix gradient(mean_.rows(), mean_.cols());
  gradient.leftCols(d_in) = by_map.weight * (output_ * input_.head(d_in).cwiseInverse()).asDiagonal();
  gradient.col(d_in) = output_ * by_map.bias;
  mean_ = kMeanDecay * mean_ + (1.0F - kMeanDecay) * gradient;
  square_ = kSquareDecay * square_ + (1.0F - kSquareDecay) * gradient.cwiseAbs2();
  const auto n = static_cast<float>(steps_);
  const float mean_share = 1.0F - std::pow(kMeanDecay, n);
  const float square_share = 1.0F - std::pow(kSquareDecay, n);
  const RowMajorMatrix step =
      (mean_ / mean_share).array() / ((square_ / square_share).array().sqrt() + kTiny);
  map_.weight -= rate * output_ * step.leftCols(d_in) * input_.head(d_in).cwiseInverse().asDiagonal();
  map_.bias -= rate * output_ * step.col(d_in);
}

}  // namespace exeunt::fit
