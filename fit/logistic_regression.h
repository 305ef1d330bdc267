// LogisticRegression fits sigmoid(w.x + b) as the probability that an exit's token is the full model's. This
// is CALM's classifier (arXiv 2207.07061, section 3.3). It uses Newton's method. Each pass over the corpus
// makes one step, so that memory does not grow with the corpus. Not thread-safe.
#pragma once

#include <Eigen/Dense>

namespace exeunt::fit {

class LogisticRegression {
 public:
  explicit LogisticRegression(int d);
  // Adds to gradient and Hessian at the weights of the last Step. x: [d]. label: 0 or 1.
  void Add(const float* x, bool label);
  // Makes one Newton step with penalty * rows * m / 2 |w|^2, where m is the mean square of x's elements.
  // Starts a new pass.
  void Step(double penalty);

  double Probability(const float* x) const;
  Eigen::VectorXf weight() const { return weight_.head(weight_.size() - 1).cast<float>(); }
  float bias() const { return static_cast<float>(weight_(weight_.size() - 1)); }
  double mean_loss() const { return rows_ == 0 ? 0.0 : loss_ / rows_; }  // mean over this pass, in nats

 private:
  void Flush();
  static constexpr int kBlock = 256;
  Eigen::VectorXd weight_;    // [d + 1], with the bias last
  Eigen::VectorXd gradient_;  // [d + 1]
  Eigen::MatrixXd hessian_;   // [d + 1, d + 1]; only the lower triangle
  Eigen::MatrixXd block_;     // [kBlock, d + 1]: rows times the root of their weight
  int block_rows_ = 0;
  double rows_ = 0;
  double squares_ = 0;
  double loss_ = 0;
};

}  // namespace exeunt::fit
