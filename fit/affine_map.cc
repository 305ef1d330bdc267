#include "fit/affine_map.h"

namespace exeunt::fit {

RidgeRegression::RidgeRegression(int d_in, int d_out)
    : gram_(Eigen::MatrixXd::Zero(d_in + 1, d_in + 1)), cross_(Eigen::MatrixXd::Zero(d_in + 1, d_out)) {}

void RidgeRegression::Add(const float* x, const float* y, int rows) {
  const Eigen::Index d_in = gram_.rows() - 1;
  Eigen::MatrixXd with_one(rows, d_in + 1);
  with_one.leftCols(d_in) = Eigen::Map<const RowMajorMatrix>(x, rows, d_in).cast<double>();
  with_one.col(d_in).setOnes();
  gram_.selfadjointView<Eigen::Lower>().rankUpdate(with_one.transpose());
  cross_.noalias() +=
      with_one.transpose() * Eigen::Map<const RowMajorMatrix>(y, rows, cross_.cols()).cast<double>();
}

AffineMap RidgeRegression::Solve(double penalty) const {
  const Eigen::Index d_in = gram_.rows() - 1;
  Eigen::MatrixXd gram = gram_;
  const double mean_square = gram_.diagonal().head(d_in).mean();  // times rows
  gram.diagonal().head(d_in).array() += penalty * mean_square;
  const Eigen::MatrixXd solution = gram.selfadjointView<Eigen::Lower>().ldlt().solve(cross_);
  return {solution.topRows(d_in).transpose().cast<float>(), solution.row(d_in).transpose().cast<float>()};
}

}  // namespace exeunt::fit
