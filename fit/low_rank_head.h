// LowRankHead is the vocabulary head W [vocab, d] seen through r directions: W z ~ (W basis) (down z). It has
// the least mean square error of the logits over the states z that were added. A common offset of the logits
// does not count, because the softmax does not see it. With S = E[z z^T] and U the top eigenvectors of S^1/2
// W'^T W' S^1/2 (W' is W without its mean row): down = U^T S^-1/2, basis = S^1/2 U. Only down and basis are
// kept, [r, d] each. A stage multiplies W by the basis when it loads. Not thread-safe.
#pragma once

#include <functional>

#include "fit/affine_map.h"

namespace exeunt::fit {

struct LowRankHead {
  RowMajorMatrix down;     // [r, d]
  RowMajorMatrix basis;    // [d, r]
  double explained = 0.0;  // share of the logits' variance in the r directions
};

class LowRankHeadFit {
 public:
  explicit LowRankHeadFit(int d) : states_(Eigen::MatrixXd::Zero(d, d)) {}
  // z: [rows, d], states after the head's norm.
  void Add(const float* z, int rows);
  // head(i, row) writes row i of the vocabulary head, [d].
  LowRankHead Solve(int rank, int vocab, const std::function<void(int, float*)>& head) const;

 private:
  Eigen::MatrixXd states_;  // sum of z z^T; only the lower triangle
  double rows_ = 0;
};

}  // namespace exeunt::fit
