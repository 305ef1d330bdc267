// Derives the settings of core and workers from the operator's settings and the model's shape. Pure
// functions.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "coordinator/config.h"
#include "coordinator/core/core_config.h"
#include "model/config.h"
#include "request/exit_setting.h"

namespace exeunt::coordinator {

Result<to_worker::Plan> MakePlan(const Config& config, const ModelConfig& model);
// Makes the limits and times of the core. Epochs begin at `first_epoch`.
CoreConfig MakeCoreConfig(const Config& config, const ModelConfig& model, const to_worker::Plan& plan,
                          uint64_t first_epoch);
ExitSetting DefaultExit(const Config& config);

}  // namespace exeunt::coordinator
