// A backend for whole pipelines in tests. Its executors compute nothing (oracle_executor.h).
#pragma once

#include <functional>
#include <memory>

#include "backend/backend.h"
#include "backend/oracle/oracle_executor.h"

namespace exeunt {

// `options_of` gives the options of a stage's executor. Its n_layers is replaced by the model's.
std::shared_ptr<const Backend> MakeOracleBackend(
    std::function<OracleOptions(const StageBuild& build)> options_of);

}  // namespace exeunt
