// /v1/cluster: the pipelines, their stages, and the KV ledger, as the core knows them now.
#pragma once

#include <boost/json/object.hpp>

#include "coordinator/core/coordinator_core.h"
#include "coordinator/metrics/request_metrics.h"

namespace exeunt::coordinator {

boost::json::object ClusterView(TimePoint now, const CoordinatorCore& core);
// What clients got since the start.
boost::json::object TotalsView(const RequestMetrics::Totals& totals);

}  // namespace exeunt::coordinator
