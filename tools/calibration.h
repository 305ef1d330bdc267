// From swept answers to certificates: losses, p-values, the fixed sequence. Pure; what `exeunt calibrate`
// does once the answers are there.
#pragma once

#include <string>
#include <vector>

#include "certify/certificate.h"
#include "tools/prompt_file.h"
#include "tools/sweep.h"

namespace exeunt {

// losses[candidate][prompt]; candidate 0 is `off`.
using LossTable = std::vector<std::vector<double>>;

// textual: against the answer of `off`. risk: against the reference.
LossTable TextLosses(TextLoss loss, Consistency consistency, const std::vector<PromptLine>& lines,
                     const std::vector<std::vector<SweptAnswer>>& answers);

// What is tested: textual losses as they are; risk, what a candidate loses beyond `off`, prompt by prompt.
LossTable TestedLosses(Consistency consistency, const LossTable& losses);

struct CandidateFigures {
  std::string name;
  double mean_layers = 0.0;  // by token
  double mean_loss = 0.0;    // of what is tested
  double p_value = 1.0;
};

struct CalibrationOutcome {
  std::vector<CandidateFigures> candidates;  // without `off`, in the order they are tested
  std::optional<size_t> chosen;              // of those; none: only `off` is certified
};

// Refuses, with the number that is needed, where there are too few prompts for any certificate; and losses
// that the bound does not take.
Result<CalibrationOutcome> Calibrate(Bound bound, const BoundOptions& options,
                                     const std::vector<Candidate>& candidates,
                                     const std::vector<std::vector<SweptAnswer>>& answers,
                                     const LossTable& tested);

}  // namespace exeunt
