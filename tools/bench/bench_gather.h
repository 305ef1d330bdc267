// What the ranks of a benchmark recorded, at rank 0. Over MPI: every rank has to call.
#pragma once

#include <vector>

#include "tools/bench/bench_report.h"

namespace exeunt::tools {

// This rank's record to rank 0; all of them there, none elsewhere.
std::vector<BenchRank> GatherRanks(const BenchRank& own);

}  // namespace exeunt::tools
