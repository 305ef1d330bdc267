#include "fit/low_rank_head.h"

#include <algorithm>

namespace exeunt::fit {
namespace {

constexpr int kBlockRows = 1024;
constexpr double kLeastVariance = 1e-6;  // least share of the largest variance for a division

// Returns the sum of w w^T over the head's rows, about their mean.
Eigen::MatrixXd CentredGram(int d, int vocab, const std::function<void(int, float*)>& head) {
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(d, d);
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(d);
  RowMajorMatrix block(kBlockRows, d);
  for (int first = 0; first < vocab; first += kBlockRows) {
    const int rows = std::min(kBlockRows, vocab - first);
    for (int r = 0; r < rows; ++r) head(first + r, block.row(r).data());
    const Eigen::MatrixXd wide = block.topRows(rows).cast<double>();
    gram.selfadjointView<Eigen::Lower>().rankUpdate(wide.transpose());
    sum += wide.colwise().sum().transpose();
  }
  gram.selfadjointView<Eigen::Lower>().rankUpdate(sum, -1.0 / vocab);
  return gram.selfadjointView<Eigen::Lower>();
}

}  // namespace

void LowRankHeadFit::Add(const float* z, int rows) {
  const Eigen::MatrixXd wide = Eigen::Map<const RowMajorMatrix>(z, rows, states_.cols()).cast<double>();
  states_.selfadjointView<Eigen::Lower>().rankUpdate(wide.transpose());
  rows_ += rows;
}

LowRankHead LowRankHeadFit::Solve(int rank, int vocab, const std::function<void(int, float*)>& head) const {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> states(states_ / rows_);
  const double least = kLeastVariance * states.eigenvalues().maxCoeff();
  const Eigen::VectorXd deviation = states.eigenvalues().cwiseMax(least).cwiseSqrt();
  const Eigen::MatrixXd& axes = states.eigenvectors();
  const Eigen::MatrixXd root = axes * deviation.asDiagonal() * axes.transpose();
  const Eigen::MatrixXd inverse = axes * deviation.cwiseInverse().asDiagonal() * axes.transpose();
  const Eigen::MatrixXd gram = CentredGram(static_cast<int>(states_.rows()), vocab, head);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> logits(root * gram * root);
  const Eigen::MatrixXd top = logits.eigenvectors().rightCols(rank);
  LowRankHead fitted;
  fitted.down = (top.transpose() * inverse).cast<float>();
  fitted.basis = (root * top).cast<float>();
  fitted.explained = logits.eigenvalues().tail(rank).sum() / logits.eigenvalues().sum();
  return fitted;
}

}  // namespace exeunt::fit
