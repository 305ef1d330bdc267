// ExitJudge: what the vocabulary head says of an exit's states beside those of the last layer, row by row.
// One thread drives it.
#pragma once

#include <vector>

#include "backend/cpu/state_reader.h"
#include "fit/logit_gradient.h"

namespace exeunt::tools {

struct JudgedRow {
  int32_t token = -1;
  float margin = 0.0F;      // top1 - top2 of the softmax
  double divergence = 0.0;  // KL(last layer || exit), nats
  bool agrees = false;      // its token is the last layer's
};

class ExitJudge {
 public:
  explicit ExitJudge(StateReader* reader) : reader_(reader) {}

  // The last layer's states of the rows that are judged next, [rows, d_model].
  void SetLast(const float* states, int rows);
  // An exit's states of the same rows, mapped to the last layer's space where it has a map; valid until the
  // next call.
  const std::vector<JudgedRow>& Judge(const float* states);
  // Of such states, the gradient of each row's divergence by the logits, rounded to `unit`.
  std::vector<std::vector<fit::LogitEntry>> Gradients(const float* states, float unit);

 private:
  struct LastRow {
    int32_t token = -1;
    double entropy = 0.0;  // nats
  };
  VocabStats Summarise(const float* logits) const;
  // Turns a row of logits, whose summary this is, into probabilities.
  void Exponentiate(const VocabStats& stats, float* row) const;

  StateReader* reader_;
  std::vector<LastRow> last_;
  std::vector<float> probabilities_;  // [rows, vocab], the last layer's
  std::vector<float> logits_;         // [rows, vocab]
  std::vector<JudgedRow> judged_;
  double draw_ = 0.0;  // of the last row that was rounded
};

}  // namespace exeunt::tools
