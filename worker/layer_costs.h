// Measures what a row costs a stage on this machine, for `--split auto` and `exeunt plan`.
#pragma once

#include <memory>

#include "base/result.h"
#include "model/layer_plan.h"
#include "model/model_source.h"

namespace exeunt {

struct CostMeasurement {
  int threads = 1;
  int rows = 16;  // of a micro-batch: costs are of one of its rows
};

// Seconds a row. Loads some layers and the head, runs them some times; medians.
Result<LayerCosts> MeasureLayerCosts(std::shared_ptr<const ModelSource> source,
                                     const CostMeasurement& options);

}  // namespace exeunt
