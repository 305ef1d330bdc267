#include "tools/exits/candidate_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace exeunt::tools {
namespace {

constexpr int kRows = 32;  // rows of logits at once

// Returns the log sum exp of the marked logits.
float LogSumExp(const float* logits, const std::vector<bool>& marked) {
  float max = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) max = std::max(max, logits[i]);
  }
  double sum = 0.0;
  for (size_t i = 0; i < marked.size(); ++i) {
    if (marked[i]) sum += std::exp(double{logits[i]} - double{max});
  }
  return static_cast<float>(double{max} + std::log(sum));
}

}  // namespace

CandidateHead FrequentTokens(StateCorpus* corpus, AnswerRange range, size_t count) {
  const auto vocab = static_cast<size_t>(corpus->source().config().vocab_size);
  std::vector<size_t> uses(vocab, 0);
  for (size_t a = range.begin; a < range.end; ++a) {
    for (const int32_t token : corpus->said(a)) ++uses[static_cast<size_t>(token)];
  }
  std::vector<int32_t> tokens(vocab);
  std::iota(tokens.begin(), tokens.end(), 0);
  std::stable_sort(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) {
    return uses[static_cast<size_t>(a)] > uses[static_cast<size_t>(b)];
  });
  tokens.resize(std::min(count, vocab / 2));
  std::sort(tokens.begin(), tokens.end());
  return MakeCandidateHead(corpus->source(), corpus->reader().weights().head, std::move(tokens));
}

Result<std::vector<OutsideEstimate>> FitOutside(StateCorpus* corpus, AnswerRange range,
                                                const std::vector<FittedExit>& exits,
                                                const CandidateHead& frequent, double ridge) {
  const ModelConfig& model = corpus->source().config();
  const auto vocab = static_cast<size_t>(model.vocab_size);
  StateReader& reader = corpus->reader();
  std::vector<int> depths;
  for (const FittedExit& exit : exits) depths.push_back(exit.layer);
  std::vector<fit::RidgeRegression> sums(exits.size(), fit::RidgeRegression(model.d_model, 1));
  std::vector<float> logits(static_cast<size_t>(kRows) * vocab);
  std::vector<float> normed(static_cast<size_t>(model.d_model));
  RETURN_IF_ERROR(corpus->ForEach(range, depths, "candidates", [&](const AnswerStates& states) {
    std::vector<bool> outside(vocab, true);
    for (const int32_t token : frequent.tokens) outside[static_cast<size_t>(token)] = false;
    for (const int32_t token : PromptCandidateTokens(states.prompt, frequent.tokens)) {
      outside[static_cast<size_t>(token)] = false;
    }
    for (size_t e = 0; e < exits.size(); ++e) {
      const fit::RowMajorMatrix translated =
          exits[e].translator->Apply(states.at.at(exits[e].layer).data(), states.rows);
      for (int first = 0; first < states.rows; first += kRows) {
        const int rows = std::min(kRows, states.rows - first);
        const float* x = translated.data() + first * model.d_model;
        reader.Logits(x, rows, logits.data());
        for (int r = 0; r < rows; ++r) {
          reader.HeadNorm(x + r * model.d_model, normed.data());
          const float rest = LogSumExp(&logits[static_cast<size_t>(r) * vocab], outside);
          sums[e].Add(normed.data(), &rest, 1);
        }
      }
    }
  }));
  std::vector<OutsideEstimate> estimates;
  for (const fit::RidgeRegression& sum : sums) {
    const fit::AffineMap map = sum.Solve(ridge);
    estimates.push_back({{map.weight.data(), map.weight.data() + map.weight.size()}, map.bias(0)});
  }
  return estimates;
}

}  // namespace exeunt::tools
