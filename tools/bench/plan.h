// The verb `plan`: measures what layers and head cost on this machine and balances a pipeline's stages on it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "costs/cost_curve.h"

namespace exeunt::tools {

// What `exeunt plan MODEL --json` measured.
struct PlanCosts {
  int n_layers = 0;
  LayerCosts costs;  // seconds
};

// Errors name the key and what is allowed.
Result<PlanCosts> ParsePlanCosts(std::string_view json);
Result<PlanCosts> ReadPlanCosts(const std::string& path);

}  // namespace exeunt::tools
