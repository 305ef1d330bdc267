// Measures the costs of jobs on this machine, for `--split auto`, `exeunt plan` and `exeunt simulate`.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "base/result.h"
#include "costs/cost_curve.h"
#include "model/model_source.h"
#include "request/exit_setting.h"

namespace exeunt {

// How tokens leave at exits.
struct ExitLook {
  std::string exits_directory;
  ExitMeasure measure = ExitMeasure::kForced;
};

// Returns the seconds of jobs of 1, 2, 4, ... 32 rows. It loads some layers and the head, runs them some
// times and takes medians. The cost of an exit is measured at the last exit of the directory, which must have
// what the measure needs.
Result<LayerCosts> MeasureLayerCosts(const Backend& backend, std::shared_ptr<const ModelSource> source,
                                     int threads, const ExitLook& look = {});

}  // namespace exeunt
