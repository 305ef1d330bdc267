// From swept answers to certificates: losses, order, p-values, the fixed sequence. Pure; what `exeunt
// calibrate` does once the answers are there.
#pragma once

#include <string>
#include <vector>

#include "certify/certificate.h"
#include "tools/exits/sweep.h"
#include "tools/exits/token_cost.h"
#include "tools/prompt_file.h"

namespace exeunt::tools {

// losses[setting][prompt]; setting 0 is `off`. A setting without answers has none.
using LossTable = std::vector<std::vector<double>>;

// textual: against the answer of `off`. risk: against the reference.
LossTable TextLosses(certify::TextLoss loss, certify::Consistency consistency,
                     const std::vector<PromptLine>& lines, const SweptAnswers& answers);

// What is tested: textual losses as they are; risk, what a setting loses beyond `off`, prompt by prompt.
LossTable TestedLosses(certify::Consistency consistency, const LossTable& losses);

// The shares of the tokens that left after each layer before the last.
std::vector<ForcedExit> ProfileOf(const std::vector<SweptAnswer>& answers, int n_layers);

// Refuses, with the number that is needed, where so few prompts cannot certify anything.
Status EnoughPrompts(certify::Bound bound, const certify::BoundOptions& options, size_t n);

// A sweep, what of it is tested, and what its tokens cost.
struct CalibrationData {
  const std::vector<ExitSetting>& settings;
  const SweptAnswers& answers;
  const LossTable& tested;
  const TokenCost& cost;
};

// Pareto testing (arXiv 2210.07913): of development data, the settings (without `off`) that no other beats in
// both cost and loss, from the least loss: the order in which they are then tested on other data.
std::vector<size_t> DevelopmentOrder(const CalibrationData& development);

struct SettingFigures {
  size_t setting = 0;
  double mean_layers = 0.0;  // by token
  double mean_cost = 0.0;
  double mean_loss = 0.0;  // of what is tested
  double p_value = 1.0;
};

struct CalibrationOutcome {
  std::vector<SettingFigures> figures;  // in the order of the tests
  size_t certified = 0;                 // the first so many: all of them hold together
};

// Tests the settings in this order. Refuses losses that the bound does not take.
Result<CalibrationOutcome> Calibrate(certify::Bound bound, const certify::BoundOptions& options,
                                     const CalibrationData& data, const std::vector<size_t>& order);

}  // namespace exeunt::tools
