// /v1/cluster shows the pipelines, their stages and the KV ledger, as the core knows them at that moment.
#pragma once

#include <boost/json/object.hpp>

#include "coordinator/core/coordinator_core.h"
#include "coordinator/metrics/request_metrics.h"

namespace exeunt::coordinator {

boost::json::object ClusterView(TimePoint now, const CoordinatorCore& core);
// The totals of clients since the start.
boost::json::object TotalsView(const RequestMetrics::Totals& totals);

}  // namespace exeunt::coordinator
