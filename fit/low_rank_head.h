// LowRankHead: the vocabulary head W [vocab, d] seen through r directions: W z ~ (W basis) (down z), with the
// least mean square error of the logits, up to what they have in common (the softmax does not see it), over
// the states z that were added. With S = E[z z^T] and U the top eigenvectors of S^1/2 W'^T W' S^1/2 (W' is W
// without its mean row): down = U^T S^-1/2, basis = S^1/2 U. Only down and basis are kept, [r, d] each: a
// stage multiplies W by the basis as it loads. Not thread-safe.
#pragma once

#include <functional>

#include "fit/affine_map.h"

namespace exeunt::fit {

struct LowRankHead {
  RowMajorMatrix down;     // [r, d]
  RowMajorMatrix basis;    // [d, r]
  double explained = 0.0;  // share of the logits' variance that r directions hold
};

class LowRankHeadFit {
 public:
  explicit LowRankHeadFit(int d) : states_(Eigen::MatrixXd::Zero(d, d)) {}
  // z: [rows, d]: states as the head sees them, after its norm.
  void Add(const float* z, int rows);
  // head(i, row) writes row i of the vocabulary head, [d].
  LowRankHead Solve(int rank, int vocab, const std::function<void(int, float*)>& head) const;

 private:
  Eigen::MatrixXd states_;  // sum of z z^T; the lower triangle
  double rows_ = 0;
};

}  // namespace exeunt::fit
