// Gathers the records of a benchmark's ranks at rank 0 over MPI. Every rank has to call it.
#pragma once

#include <vector>

#include "tools/bench/bench_report.h"

namespace exeunt::tools {

// Sends this rank's record to rank 0. Returns all records there, and none on other ranks.
std::vector<BenchRank> GatherRanks(const BenchRank& own);

}  // namespace exeunt::tools
