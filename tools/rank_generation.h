// Runs many prompts through a pipeline whose stages are the ranks of an MPI job.
#pragma once

#include <functional>
#include <vector>

#include "worker/core/stage_runner.h"

namespace exeunt::tools {

// Every rank calls it with its own stage's runner and the same sequences, numbered from 1. At most `streams`
// are open at once. Rank 0 gets the tokens of each sequence, in the order of the sequences. Other ranks get
// nothing. At rank 0 `done` is called for each sequence that has ended.
Result<std::vector<std::vector<int32_t>>> GenerateOverRanks(worker::StageRunner* runner, int rank,
                                                            std::vector<worker::SequenceSpec> specs,
                                                            size_t streams,
                                                            const std::function<void()>& done);

}  // namespace exeunt::tools
