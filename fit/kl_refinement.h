// KlRefinement refines an affine map from an exit's states to the last layer's. It follows the gradient of
// KL(last layer || exit) through the final norm and the vocabulary head ("tuned lens", arXiv 2303.08112). It
// runs Adam on the map in units of its inputs' and outputs' root mean squares, because residual streams have
// a few coordinates that are hundreds of times larger than the others. Not thread-safe.
#pragma once

#include "fit/affine_map.h"

namespace exeunt::fit {

class KlRefinement {
 public:
  // The norm before the head is z = norm_weight * y / sqrt(mean(y^2) + norm_eps).
  KlRefinement(AffineMap start, Eigen::VectorXf norm_weight, float norm_eps);

  const AffineMap& map() const { return map_; }
  // Returns the gradient by the map's entries of a loss that is the mean over rows. x: [rows, d_in]. dz:
  // [rows, d_out], the gradient of each row's own loss with respect to z.
  AffineMap Gradient(const float* x, const RowMajorMatrix& dz) const;
  // Makes one step of Adam along the gradient. An entry moves by about `rate` of its unit.
  void Step(const float* x, const RowMajorMatrix& dz, float rate);

 private:
  AffineMap map_;
  Eigen::RowVectorXf norm_weight_;  // [d_out]
  float norm_eps_;
  Eigen::VectorXf input_;  // [d_in + 1]: root mean squares over the first step's rows; 1 for the bias
  float output_ = 0.0F;    // root mean square
  int steps_ = 0;
  RowMajorMatrix mean_;    // [d_out, d_in + 1]: mean of the gradient, with the bias last
  RowMajorMatrix square_;  // [d_out, d_in + 1]: mean of its entries' squares
};

}  // namespace exeunt::fit
