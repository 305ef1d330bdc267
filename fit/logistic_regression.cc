#include "fit/logistic_regression.h"

#include <algorithm>
#include <cmath>

namespace exeunt::fit {

LogisticRegression::LogisticRegression(int d)
    : weight_(Eigen::VectorXd::Zero(d + 1)),
      gradient_(Eigen::VectorXd::Zero(d + 1)),
      hessian_(Eigen::MatrixXd::Zero(d + 1, d + 1)),
      block_(kBlock, d + 1) {}

double LogisticRegression::Probability(const float* x) const {
  const Eigen::Index d = weight_.size() - 1;
  const double score =
      Eigen::Map<const Eigen::VectorXf>(x, d).cast<double>().dot(weight_.head(d)) + weight_(d);
  return 1.0 / (1.0 + std::exp(-score));
}

void LogisticRegression::Add(const float* x, bool label) {
  const Eigen::Index d = weight_.size() - 1;
  const double p = Probability(x);
  loss_ -= std::log(std::max(label ? p : 1.0 - p, 1e-12));
  auto row = block_.row(block_rows_);
  row.head(d) = Eigen::Map<const Eigen::RowVectorXf>(x, d).cast<double>();
  row(d) = 1.0;
  squares_ += row.head(d).squaredNorm() / static_cast<double>(d);
  gradient_ += (p - (label ? 1.0 : 0.0)) * row.transpose();
  row *= std::sqrt(p * (1.0 - p));
  rows_ += 1;
  if (++block_rows_ == kBlock) Flush();
}

void LogisticRegression::Flush() {
  hessian_.selfadjointView<Eigen::Lower>().rankUpdate(block_.topRows(block_rows_).transpose());
  block_rows_ = 0;
}

void LogisticRegression::Step(double penalty) {
  Flush();
  const Eigen::Index d = weight_.size() - 1;
  const double ridge = penalty * squares_;
  hessian_.diagonal().head(d).array() += ridge;
  hessian_(d, d) += 1e-9;
  gradient_.head(d) += ridge * weight_.head(d);
  weight_ -= hessian_.selfadjointView<Eigen::Lower>().ldlt().solve(gradient_);
  gradient_.setZero();
  hessian_.setZero();
  rows_ = squares_ = loss_ = 0;
}

}  // namespace exeunt::fit
