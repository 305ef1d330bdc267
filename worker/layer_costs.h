// Measures what jobs cost a stage on this machine, for `--split auto`, `exeunt plan` and `exeunt simulate`.
#pragma once

#include <memory>

#include "base/result.h"
#include "model/layer_plan.h"
#include "model/model_source.h"

namespace exeunt {

// Seconds, of jobs of 1, 2, 4, ... 32 rows. Loads some layers and the head, runs them some times; medians.
Result<LayerCosts> MeasureLayerCosts(std::shared_ptr<const ModelSource> source, int threads);

}  // namespace exeunt
