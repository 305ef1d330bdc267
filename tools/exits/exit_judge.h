// ExitJudge compares the vocabulary head's result for an exit's states with that for the last layer's, row by
// row. One thread drives it.
#pragma once

#include <vector>

#include "backend/cpu/state_reader.h"
#include "fit/logit_gradient.h"

namespace exeunt::tools {

struct JudgedRow {
  int32_t token = -1;
  float margin = 0.0F;      // top1 - top2 of the softmax
  double divergence = 0.0;  // KL(last layer || exit), nats
  bool agrees = false;      // whether its token is the last layer's
};

class ExitJudge {
 public:
  explicit ExitJudge(StateReader* reader) : reader_(reader) {}

  // Sets the last layer's states of the rows to judge next, [rows, d_model].
  void SetLast(const float* states, int rows);
  // Judges an exit's states of the same rows. They must be mapped to the last layer's space if there is a
  // map. The result is valid until the next call.
  const std::vector<JudgedRow>& Judge(const float* states);
  // Returns the gradient of each row's divergence by the logits, rounded to `unit`, for such states.
  std::vector<std::vector<fit::LogitEntry>> Gradients(const float* states, float unit);

 private:
  struct LastRow {
    int32_t token = -1;
    double entropy = 0.0;  // nats
  };
  VocabStats Summarise(const float* logits) const;
  // Turns a row of logits with this summary into probabilities.
  void Exponentiate(const VocabStats& stats, float* row) const;

  StateReader* reader_;
  std::vector<LastRow> last_;
  std::vector<float> probabilities_;  // [rows, vocab], of the last layer
  std::vector<float> logits_;         // [rows, vocab]
  std::vector<JudgedRow> judged_;
  double draw_ = 0.0;  // draw of the last rounded row
};

}  // namespace exeunt::tools
