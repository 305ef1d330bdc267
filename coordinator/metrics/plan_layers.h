// Layers of the model that a plan shards.
#pragma once

#include "transport/control.pb.h"

namespace exeunt {

inline int PlanLayers(const proto::Plan& plan) {
  return plan.stages().empty() ? 0 : plan.stages(plan.stages_size() - 1).end();
}

}  // namespace exeunt
