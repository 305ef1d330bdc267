// EProcess: whether the losses of traffic have outgrown what a certificate promised: an anytime-valid test of
// "the mean loss is at most delta" by betting (Waudby-Smith and Ramdas, arXiv 2010.09686; Ville's
// inequality). However often it is looked at, traffic that keeps the promise raises the alarm with a chance
// of at most its level. Not thread-safe.
#pragma once

#include <cstdint>

namespace exeunt::certify {

// Everything that goes on: a process that is started again continues from it.
struct EProcessState {
  uint64_t count = 0;
  double sum = 0.0;
  double squares = 0.25;  // of the distances to the running mean, and the prior
  double log_wealth = 0.0;
  double log_largest = 0.0;  // that there ever was
};

class EProcess {
 public:
  // delta in (0, 1), level in (0, 1).
  EProcess(double delta, double level, const EProcessState& state = {});

  // One audited request's loss, in [0, 1]; what is outside is taken for the nearer end.
  void Add(double loss);
  double wealth() const;  // the evidence against the promise: 1 is none; at most e^700
  bool alarmed() const;   // it was 1 / level or more at any time
  double mean_loss() const;
  const EProcessState& state() const { return state_; }

 private:
  double delta_;
  double level_;
  EProcessState state_;
};

}  // namespace exeunt::certify
