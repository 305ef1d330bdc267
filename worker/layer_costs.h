// Measures what jobs cost a stage on this machine, for `--split auto`, `exeunt plan` and `exeunt simulate`.
#pragma once

#include <memory>

#include "base/result.h"
#include "model/layer_plan.h"
#include "model/model_source.h"

namespace exeunt {

struct CostMeasurement {
  int threads = 1;
  int rows = 32;  // jobs of 1, 2, 4, ... rows up to so many are measured; larger ones cost in proportion
};

// Seconds. Loads some layers and the head, runs them some times; medians.
Result<LayerCosts> MeasureLayerCosts(std::shared_ptr<const ModelSource> source,
                                     const CostMeasurement& options);

}  // namespace exeunt
