// A backend whose executors compute nothing (oracle_executor.h), for whole pipelines in tests.
#pragma once

#include <functional>
#include <memory>

#include "backend/backend.h"
#include "backend/oracle/oracle_executor.h"

namespace exeunt {

// `options_of` says what the executor of a stage is like; its n_layers is the model's.
std::shared_ptr<const Backend> MakeOracleBackend(
    std::function<OracleOptions(const StageBuild& build)> options_of);

}  // namespace exeunt
