// Computes certificates from swept answers with losses, order, p-values and the fixed sequence. It is pure.
// `exeunt calibrate` does this once the answers are there.
#pragma once

#include <string>
#include <vector>

#include "certify/certificate.h"
#include "tools/exits/sweep.h"
#include "tools/exits/token_cost.h"
#include "tools/prompt_file.h"

namespace exeunt::tools {

// losses[setting][prompt]. Setting 0 is `off`. A setting without answers has no losses.
using LossTable = std::vector<std::vector<double>>;

// textual: loss against the answer of `off`. risk: loss against the reference.
LossTable TextLosses(certify::TextLoss loss, certify::Consistency consistency,
                     const std::vector<PromptLine>& lines, const SweptAnswers& answers);

// Returns the losses to test. textual: the losses unchanged. risk: a setting's loss minus that of `off`, for
// each prompt.
LossTable TestedLosses(certify::Consistency consistency, const LossTable& losses);

// Returns the shares of the tokens that left after each layer before the last.
std::vector<ForcedExit> ProfileOf(const std::vector<SweptAnswer>& answers, int n_layers);

// Returns an error with the needed number if `n` prompts are too few to certify anything.
Status EnoughPrompts(certify::Bound bound, const certify::BoundOptions& options, size_t n);

// A sweep, its tested losses, and the costs of its tokens.
struct CalibrationData {
  const std::vector<ExitSetting>& settings;
  const SweptAnswers& answers;
  const LossTable& tested;
  const TokenCost& cost;
};

// Pareto testing (arXiv 2210.07913). On development data it finds the settings (without `off`) that no other
// beats in both cost and loss. They are ordered from the least loss. This is the order in which they are then
// tested on other data.
std::vector<size_t> DevelopmentOrder(const CalibrationData& development);

struct SettingFigures {
  size_t setting = 0;
  double mean_layers = 0.0;  // mean over tokens
  double mean_cost = 0.0;
  double mean_loss = 0.0;  // mean of the tested losses
  double p_value = 1.0;
};

struct CalibrationOutcome {
  std::vector<SettingFigures> figures;  // in the order of the tests
  size_t certified = 0;  // number of certified settings from the first on; all of them hold together
};

// Tests the settings in this order. Losses outside the bound's range are an error.
Result<CalibrationOutcome> Calibrate(certify::Bound bound, const certify::BoundOptions& options,
                                     const CalibrationData& data, const std::vector<size_t>& order);

}  // namespace exeunt::tools
