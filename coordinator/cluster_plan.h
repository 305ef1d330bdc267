// From the operator's settings and the model's shape to what core and workers are told. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/config.h"
#include "coordinator/core/core_config.h"
#include "model/config.h"
#include "model/exit_setting.h"

namespace exeunt {

// Layers of the stages: contiguous, none empty, all of them. Errors name what is wrong with --split.
Result<std::vector<proto::LayerRange>> SplitLayers(const std::string& split, uint32_t stages, int n_layers);
// Ascending, each in [1, n_layers).
Result<std::vector<int>> ExitLayers(const std::string& exit_layers, int n_layers);
Result<proto::Plan> MakePlan(const Config& config, const ModelConfig& model);
// Limits and times; epochs begin at `first_epoch`.
CoreConfig MakeCoreConfig(const Config& config, const ModelConfig& model, const proto::Plan& plan,
                          uint64_t first_epoch);
ExitSetting DefaultExit(const Config& config);

}  // namespace exeunt
