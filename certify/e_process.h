// EProcess tests whether the losses of traffic have outgrown the promise of a certificate. It is an
// anytime-valid test of "the mean loss is at most delta" by betting (Waudby-Smith and Ramdas, arXiv
// 2010.09686; Ville's inequality). Traffic that keeps the promise ever raises the alarm with a chance of at
// most `level`, however often it is checked. Not thread-safe.
#pragma once

#include <cstdint>

namespace exeunt::certify {

// The state that a restarted process needs to continue the test.
struct EProcessState {
  uint64_t count = 0;
  double sum = 0.0;
  double squares = 0.25;  // squared distances to the running mean, with the prior
  double log_wealth = 0.0;
  double log_largest = 0.0;  // largest log_wealth so far
};

class EProcess {
 public:
  // delta and level are in (0, 1).
  EProcess(double delta, double level, const EProcessState& state = {});

  // Adds the loss of one audited request, clamped to [0, 1].
  void Add(double loss);
  double wealth() const;  // evidence against the promise, at most e^700; 1 is none
  bool alarmed() const;   // whether wealth has ever reached 1 / level
  double mean_loss() const;
  const EProcessState& state() const { return state_; }

 private:
  double delta_;
  double level_;
  EProcessState state_;
};

}  // namespace exeunt::certify
