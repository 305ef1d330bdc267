#include "tools/calibration.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace exeunt {
namespace {

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double MeanLayers(const std::vector<SweptAnswer>& answers) {
  double layers = 0;
  double tokens = 0;
  for (const SweptAnswer& answer : answers) {
    layers += static_cast<double>(answer.layers);
    tokens += answer.tokens;
  }
  return tokens > 0 ? layers / tokens : 0.0;
}

// The exact binomial test takes 0 and 1 alone, the others at most 1.
Status CheckRange(Bound bound, const LossTable& tested) {
  for (const auto& of_candidate : tested) {
    for (const double x : of_candidate) {
      if (bound == Bound::kBinomial && x != 0.0 && x != 1.0) {
        return InvalidArgument(
            "bound 'binomial' takes losses of 0 or 1, not {}; use wsr or hoeffding_bentkus", x);
      }
      if (!(x >= -1.0 && x <= 1.0)) return InvalidArgument("a loss of {} is outside [-1, 1]", x);
    }
  }
  return OkStatus();
}

}  // namespace

LossTable TextLosses(TextLoss loss, Consistency consistency, const std::vector<PromptLine>& lines,
                     const std::vector<std::vector<SweptAnswer>>& answers) {
  LossTable losses;
  for (const auto& of_candidate : answers) {
    std::vector<double> row;
    for (size_t p = 0; p < of_candidate.size(); ++p) {
      const std::string& wanted = consistency == Consistency::kRisk ? lines[p].reference : answers[0][p].text;
      row.push_back(Loss(loss, of_candidate[p].text, wanted));
    }
    losses.push_back(std::move(row));
  }
  return losses;
}

LossTable TestedLosses(Consistency consistency, const LossTable& losses) {
  LossTable tested = losses;
  if (consistency == Consistency::kTextual) return tested;
  for (auto& row : tested) {
    for (size_t p = 0; p < row.size(); ++p) row[p] -= losses[0][p];
  }
  return tested;
}

Result<CalibrationOutcome> Calibrate(Bound bound, const BoundOptions& options,
                                     const std::vector<Candidate>& candidates,
                                     const std::vector<std::vector<SweptAnswer>>& answers,
                                     const LossTable& tested) {
  RETURN_IF_ERROR(CheckRange(bound, tested));
  const size_t n = tested.at(0).size();
  const size_t needed = SmallestSampleCount(bound, options);
  if (n < needed) {
    return InvalidArgument(
        "{} prompts cannot certify anything at delta {}, epsilon {} by {}: it takes {} even where no answer "
        "loses "
        "anything",
        n, options.delta, options.epsilon, BoundName(bound), needed);
  }
  CalibrationOutcome outcome;
  std::vector<double> p_values;
  for (size_t c = 1; c < candidates.size(); ++c) {
    p_values.push_back(PValue(bound, tested[c], options));
    outcome.candidates.push_back(
        {candidates[c].Name(), MeanLayers(answers[c]), Mean(tested[c]), p_values.back()});
  }
  outcome.chosen = FixedSequence(p_values, options.epsilon);
  return outcome;
}

}  // namespace exeunt
