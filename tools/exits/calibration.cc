#include "tools/exits/calibration.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace exeunt::tools {
namespace {

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double MeanLayers(const std::vector<SweptAnswer>& answers) {
  double layers = 0;
  double tokens = 0;
  for (const SweptAnswer& answer : answers) {
    layers += static_cast<double>(answer.layers());
    tokens += answer.tokens();
  }
  return tokens > 0 ? layers / tokens : 0.0;
}

// The exact binomial test takes only 0 and 1. The others take numbers up to 1.
Status CheckRange(certify::Bound bound, const LossTable& tested) {
  for (const auto& row : tested) {
    for (const double x : row) {
      if (bound == certify::Bound::kBinomial && x != 0.0 && x != 1.0) {
        return InvalidArgument(
            "bound 'binomial' takes losses of 0 or 1, not {}; use wsr or hoeffding_bentkus", x);
      }
      if (!(x >= -1.0 && x <= 1.0)) return InvalidArgument("a loss of {} is outside [-1, 1]", x);
    }
  }
  return OkStatus();
}

}  // namespace

std::vector<ForcedExit> ProfileOf(const std::vector<SweptAnswer>& answers, int n_layers) {
  std::map<int, int64_t> left;
  int64_t tokens = 0;
  for (const SweptAnswer& answer : answers) {
    for (const auto& [layer, count] : answer.exits) {
      tokens += count;
      if (layer < n_layers) left[layer] += count;
    }
  }
  std::vector<ForcedExit> profile;
  for (const auto& [layer, count] : left) {
    profile.push_back({layer, static_cast<float>(static_cast<double>(count) / static_cast<double>(tokens))});
  }
  return profile;
}

LossTable TextLosses(certify::TextLoss loss, certify::Consistency consistency,
                     const std::vector<PromptLine>& lines, const SweptAnswers& answers) {
  LossTable losses;
  for (const auto& of_setting : answers) {
    std::vector<double> row;
    for (size_t p = 0; p < of_setting.size(); ++p) {
      const std::string& wanted =
          consistency == certify::Consistency::kRisk ? lines[p].reference : answers[0][p].text;
      row.push_back(certify::Loss(loss, of_setting[p].text, wanted));
    }
    losses.push_back(std::move(row));
  }
  return losses;
}

LossTable TestedLosses(certify::Consistency consistency, const LossTable& losses) {
  LossTable tested = losses;
  if (consistency == certify::Consistency::kTextual) return tested;
  for (auto& row : tested) {
    for (size_t p = 0; p < row.size(); ++p) row[p] -= losses[0][p];
  }
  return tested;
}

Status EnoughPrompts(certify::Bound bound, const certify::BoundOptions& options, size_t n) {
  const size_t needed = certify::SmallestSampleCount(bound, options);
  if (n >= needed) return OkStatus();
  return InvalidArgument(
      "{} prompts cannot certify anything at delta {}, epsilon {} by {}: it takes {} even where no answer "
      "loses anything",
      n, options.delta, options.epsilon, certify::BoundName(bound), needed);
}

std::vector<size_t> DevelopmentOrder(const CalibrationData& development) {
  std::vector<certify::SettingPoint> points;
  for (size_t s = 1; s < development.settings.size(); ++s) {
    points.push_back({development.cost.Mean(development.settings[s], development.answers[s]),
                      Mean(development.tested[s])});
  }
  std::vector<size_t> order = certify::ParetoOrder(points);
  for (size_t& s : order) ++s;  // `off` is no point
  return order;
}

Result<CalibrationOutcome> Calibrate(certify::Bound bound, const certify::BoundOptions& options,
                                     const CalibrationData& data, const std::vector<size_t>& order) {
  RETURN_IF_ERROR(CheckRange(bound, data.tested));
  CalibrationOutcome outcome;
  std::vector<double> p_values;
  for (const size_t s : order) {
    p_values.push_back(certify::PValue(bound, data.tested[s], options));
    outcome.figures.push_back({s, MeanLayers(data.answers[s]),
                               data.cost.Mean(data.settings[s], data.answers[s]), Mean(data.tested[s]),
                               p_values.back()});
  }
  const auto last = certify::FixedSequence(p_values, options.epsilon);
  outcome.certified = last ? *last + 1 : 0;
  return outcome;
}

}  // namespace exeunt::tools
