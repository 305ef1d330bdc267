#include "tools/exits/exit_judge.h"

#include <algorithm>
#include <cmath>

namespace exeunt::tools {
namespace {

// Multiples of this step are spread evenly over [0, 1) (the golden ratio).
constexpr double kDrawStep = 0.6180339887498949;

size_t Size(int n) { return static_cast<size_t>(n); }

}  // namespace

// Computes the summary as the head of a stage does, so that the margin equals the served one.
VocabStats ExitJudge::Summarise(const float* logits) const {
  const int vocab = reader_->config().vocab_size;
  std::vector<VocabStats> chunks;
  for (int begin = 0; begin < vocab; begin += kVocabChunk) {
    chunks.push_back(reader_->ops().vocab_stats(logits, begin, std::min(vocab, begin + kVocabChunk)));
  }
  return reader_->ops().merge_vocab_stats(chunks.data(), static_cast<int>(chunks.size()));
}

void ExitJudge::Exponentiate(const VocabStats& stats, float* row) const {
  const int n = reader_->config().vocab_size;
  reader_->ops().exp_scaled(row, n, stats.top1, 1.0F, row);
  const float scale = 1.0F / stats.sum_exp;
  for (int i = 0; i < n; ++i) row[i] *= scale;
}

void ExitJudge::SetLast(const float* states, int rows) {
  const int vocab = reader_->config().vocab_size;
  const cpu::Ops& ops = reader_->ops();
  last_.resize(Size(rows));
  judged_.resize(Size(rows));
  probabilities_.resize(Size(rows) * Size(vocab));
  reader_->Logits(states, rows, probabilities_.data());
  reader_->pool()->RunRanges(rows, 1, [&](int begin, int end) {
    std::vector<float> logits(Size(vocab));
    for (int r = begin; r < end; ++r) {
      float* p = &probabilities_[Size(r) * Size(vocab)];
      const VocabStats stats = Summarise(p);
      std::copy(p, p + vocab, logits.begin());
      Exponentiate(stats, p);
      const double mean_logit = double{ops.dot(p, logits.data(), vocab)};
      last_[Size(r)] = {stats.argmax, double{stats.top1} + std::log(double{stats.sum_exp}) - mean_logit};
    }
  });
}

// KL = sum p (log p - log q) = -H(p) - sum p q' + log sum exp q', where q' are the exit's logits.
const std::vector<JudgedRow>& ExitJudge::Judge(const float* states) {
  const int vocab = reader_->config().vocab_size;
  const int rows = static_cast<int>(last_.size());
  logits_.resize(Size(rows) * Size(vocab));
  reader_->Logits(states, rows, logits_.data());
  reader_->pool()->RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      const float* logits = &logits_[Size(r) * Size(vocab)];
      const VocabStats stats = Summarise(logits);
      const LastRow& last = last_[Size(r)];
      const double mean_logit =
          double{reader_->ops().dot(&probabilities_[Size(r) * Size(vocab)], logits, vocab)};
      JudgedRow& row = judged_[Size(r)];
      row.token = stats.argmax;
      row.margin = (1.0F - cpu::Exp(stats.top2 - stats.top1)) / stats.sum_exp;
      row.agrees = stats.argmax == last.token;
      row.divergence =
          std::max(0.0, double{stats.top1} + std::log(double{stats.sum_exp}) - mean_logit - last.entropy);
    }
  });
  return judged_;
}

std::vector<std::vector<fit::LogitEntry>> ExitJudge::Gradients(const float* states, float unit) {
  const int vocab = reader_->config().vocab_size;
  const int rows = static_cast<int>(last_.size());
  logits_.resize(Size(rows) * Size(vocab));
  reader_->Logits(states, rows, logits_.data());
  std::vector<std::vector<fit::LogitEntry>> gradients(Size(rows));
  reader_->pool()->RunRanges(rows, 1, [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      float* q = &logits_[Size(r) * Size(vocab)];
      Exponentiate(Summarise(q), q);
      const double draw = std::fmod(draw_ + (r + 1) * kDrawStep, 1.0);
      gradients[Size(r)] =
          fit::RoundedDifference(q, &probabilities_[Size(r) * Size(vocab)], vocab, unit, draw);
    }
  });
  draw_ = std::fmod(draw_ + rows * kDrawStep, 1.0);
  return gradients;
}

}  // namespace exeunt::tools
