#include "worker/core/row_plan.h"

#include "base/error.h"

namespace exeunt::worker {

Status CheckPlan(const RowPlan& plan, int n_layers) {
  if (plan.run_to < 1 || plan.run_to > n_layers) {
    return DataLoss("row plan run_to {} is outside [1, {}]", plan.run_to, n_layers);
  }
  if (plan.fill_to < plan.run_to || plan.fill_to > n_layers) {
    return DataLoss("row plan fill_to {} is outside [{}, {}]", plan.fill_to, plan.run_to, n_layers);
  }
  if (plan.head > HeadUse::kCompare) {
    return DataLoss("row plan head {} is outside [0, {}]", static_cast<int>(plan.head),
                    static_cast<int>(HeadUse::kCompare));
  }
  if (plan.head != HeadUse::kNone && plan.run_to != n_layers) {
    return DataLoss("row plan head {} needs run_to {}, not {}", static_cast<int>(plan.head), n_layers,
                    plan.run_to);
  }
  if (plan.may_exit && !plan.Answers()) {
    return DataLoss("row plan may_exit needs head {}, not {}", static_cast<int>(HeadUse::kDraw),
                    static_cast<int>(plan.head));
  }
  return OkStatus();
}

}  // namespace exeunt::worker
