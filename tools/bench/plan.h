// The verb `plan` measures the costs of layers and head on this machine and balances the stages of a
// pipeline.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "costs/cost_curve.h"

namespace exeunt::tools {

// The measurements of `exeunt plan MODEL --json`.
struct PlanCosts {
  int n_layers = 0;
  LayerCosts costs;  // seconds
};

// Errors name the key and what is allowed.
Result<PlanCosts> ParsePlanCosts(std::string_view json);
Result<PlanCosts> ReadPlanCosts(const std::string& path);

}  // namespace exeunt::tools
