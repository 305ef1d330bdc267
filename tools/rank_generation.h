// Many prompts through a pipeline whose stages are the ranks of an MPI job.
#pragma once

#include <functional>
#include <vector>

#include "worker/core/stage_runner.h"

namespace exeunt::tools {

// Every rank calls it with its own stage's runner and the same sequences, numbered from 1; at most `streams`
// are open at once. Rank 0 gets the tokens of each, in their order; the others nothing. `done` is called at
// rank 0 for each sequence that has ended.
Result<std::vector<std::vector<int32_t>>> GenerateOverRanks(worker::StageRunner* runner, int rank,
                                                            std::vector<worker::SequenceSpec> specs,
                                                            size_t streams,
                                                            const std::function<void()>& done);

}  // namespace exeunt::tools
