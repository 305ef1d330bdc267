// AffineMap is y = W x + b with its closed-form fit ("Jump to Conclusions", arXiv 2303.09435). It is a ridge
// regression from the states after an exit layer to those after the last layer. The Gram matrices are
// streamed, so that memory does not grow with the corpus. Not thread-safe.
#pragma once

#include <Eigen/Dense>

namespace exeunt::fit {

using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct AffineMap {
  RowMajorMatrix weight;  // [d_out, d_in]
  Eigen::VectorXf bias;   // [d_out]

  // x: [rows, d_in]. Returns [rows, d_out].
  RowMajorMatrix Apply(const float* x, int rows) const {
    return (Eigen::Map<const RowMajorMatrix>(x, rows, weight.cols()) * weight.transpose()).rowwise() +
           bias.transpose();
  }
};

class RidgeRegression {
 public:
  explicit RidgeRegression(int d_in, int d_out);
  // x: [rows, d_in], y: [rows, d_out], row-major.
  void Add(const float* x, const float* y, int rows);
  double rows() const { return gram_(gram_.rows() - 1, gram_.cols() - 1); }
  // Returns the map of least sum |W x + b - y|^2 + penalty * rows * m |W|^2, where m is the mean square of
  // x's elements. The bias is not penalised. It needs a positive penalty or more rows than d_in.
  AffineMap Solve(double penalty) const;

 private:
  Eigen::MatrixXd gram_;   // [d_in + 1, d_in + 1] of [x; 1]; only the lower triangle
  Eigen::MatrixXd cross_;  // [d_in + 1, d_out]
};

}  // namespace exeunt::fit
