// Measures what jobs cost a stage on this machine, for `--split auto`, `exeunt plan` and `exeunt simulate`.
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

// Seconds, of jobs of 1, 2, 4, ... 32 rows. Loads some layers and the head, runs them some times; medians.
// What an exit costs is measured at the last one of the directory, which must have what the measure needs.
Result<LayerCosts> MeasureLayerCosts(const Backend& backend, std::shared_ptr<const ModelSource> source,
                                     int threads, const ExitLook& look = {});

}  // namespace exeunt
